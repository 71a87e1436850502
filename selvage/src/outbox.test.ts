import { fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Context, currentStep, type MessageDelivery, openSelvage, type Selvage, TerminalError } from './core.ts'

let clock: ReturnType<typeof fakeClock>
let selvage: Selvage
let got: MessageDelivery[]
let arrived: () => void = () => {}

beforeEach(async () => {
  clock = fakeClock()
  selvage = await openSelvage({ url: 'sqlite::memory:', clock })
  got = []
})

afterEach(() => selvage.close())

/** Resolves when so many deliveries have begun. */
async function deliveries(count: number): Promise<readonly MessageDelivery[]> {
  while (got.length < count) await new Promise<void>((resolve) => (arrived = resolve))
  return got
}

function take(message: MessageDelivery): void {
  got.push(message)
  arrived()
}

/** Resolves when the message is in that state. */
async function reaches(id: string, state: string): Promise<Awaited<ReturnType<Selvage['message']>>> {
  for (;;) {
    const message = await selvage.message(id)
    if (message.state === state) return message
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function send(body: (ctx: Context) => Promise<unknown>, name = 'send'): Promise<unknown> {
  return (await selvage.workflow(name, body).start(undefined, { runId: name })).result()
}

test('a message is delivered once, in the order of its run, with its value as it was', async () => {
  selvage.outbox('mail', take)
  const ids = await send(async (ctx) => [
    await ctx.send('mail', { to: 'ann', at: new Date(5) }),
    await ctx.send('mail', 'x'.repeat(100_000)),
  ])
  const [first, second] = await deliveries(2)
  expect([first?.id, second?.id]).toEqual(ids)
  expect(first).toMatchObject({
    id: expect.stringMatching(/^msg_[\w-]{22}$/),
    runId: 'send',
    topic: 'mail',
    payload: { to: 'ann', at: new Date(5) },
    idempotencyKey: first?.id,
    attempt: 1,
  })
  expect(second?.payload).toBe('x'.repeat(100_000))
  await reaches(second?.id ?? '', 'delivered')
  const { items } = await selvage.messages()
  expect(items).toMatchObject([
    { id: second?.id, state: 'delivered', attempts: 1, settledAt: clock.now(), runId: 'send' },
    { id: first?.id, state: 'delivered', payload: { to: 'ann' } },
  ])
  const steps = (await selvage.run('send').journal()).filter((entry) => entry.type === 'step')
  expect(steps.map(({ key, sent }) => [key, sent?.length])).toEqual([
    ['send:mail', 1],
    ['send:mail#2', 1],
  ])
  // Nothing that acts outside: its messages are what the outbox knows of it.
  expect((await selvage.effects({ runId: 'send' })).items).toEqual([])
})

test('a step sends with its success: what an attempt that failed had sent is not', async () => {
  selvage.outbox('mail', take)
  let attempts = 0
  await send((ctx) =>
    ctx.step(
      'pay',
      (at) => {
        at.send('mail', `attempt ${at.attempt}`)
        currentStep()?.send('mail', 'two')
        attempts += 1
        if (attempts === 1) throw new Error('not yet')
      },
      { retry: { initial: 0 } },
    ),
  )
  expect((await deliveries(2)).map(({ payload }) => payload)).toEqual(['attempt 2', 'two'])
  expect((await selvage.messages()).items).toHaveLength(2)
})

test('what fails is delivered again when its policy says, and what its run sent later waits for it', async () => {
  selvage.outbox(
    'mail',
    (message) => {
      take(message)
      if (message.payload === 1 && message.attempt < 3) throw new Error('the server is down')
    },
    { retry: { initial: '1m', factor: 10, jitter: 'none' } },
  )
  const ids = (await send((ctx) => Promise.all([1, 2].map((n) => ctx.send('mail', n, { key: `${n}` }))))) as string[]
  await deliveries(1)
  const waiting = await reaches(ids[0] ?? '', 'waiting')
  expect(waiting).toMatchObject({
    attempts: 1,
    dueAt: clock.now() + 60_000,
    error: { message: 'the server is down' },
  })
  expect(await selvage.message(ids[1] ?? '')).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(await selvage.message(ids[1] ?? '')).not.toHaveProperty('dueAt')
  await clock.advance(60_000)
  await deliveries(2)
  await reaches(ids[0] ?? '', 'waiting')
  await clock.advance(600_000)
  await deliveries(4)
  expect(got.map(({ payload, attempt }) => [payload, attempt])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 1],
  ])
  expect(new Set(got.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2)
})

test('a message that is given up is dead, lets the others go on, and is delivered when it is sent again', async () => {
  let broken = true
  selvage.outbox('mail', (message) => {
    take(message)
    if (message.payload === 1 && broken) throw new TerminalError('no such address')
  })
  const ids = (await send((ctx) => Promise.all([1, 2].map((n) => ctx.send('mail', n, { key: `${n}` }))))) as string[]
  await deliveries(2)
  const dead = await reaches(ids[0] ?? '', 'dead')
  expect(dead).toMatchObject({ attempts: 1, settledAt: clock.now(), error: { message: 'no such address' } })
  expect((await selvage.messages({ state: 'dead' })).items).toEqual([dead])
  await reaches(ids[1] ?? '', 'delivered')

  await expect(selvage.resend(ids[1] ?? '')).rejects.toMatchObject({ code: 'BAD_INPUT' })
  broken = false
  await selvage.resend(ids[0] ?? '')
  await reaches(ids[0] ?? '', 'delivered')
  expect(got.map(({ payload, attempt }) => [payload, attempt])).toEqual([
    [1, 1],
    [2, 1],
    [1, 1],
  ])
  expect((await selvage.messages({ state: 'dead' })).items).toEqual([])
})

test('a delivery that takes too long is given up, told so and made again', async () => {
  selvage.outbox(
    'mail',
    (message) => {
      take(message)
      return message.attempt === 1 ? new Promise(() => {}) : undefined
    },
    { timeout: '10s', retry: { initial: '1s', jitter: 'none' } },
  )
  const id = (await send((ctx) => ctx.send('mail', null))) as string
  const [first] = await deliveries(1)
  await clock.advance(10_000)
  expect(first?.abortSignal.aborted).toBe(true)
  expect(await reaches(id, 'waiting')).toMatchObject({ error: { code: 'STEP_TIMEOUT' } })
  await clock.advance(1_000)
  await deliveries(2)
  await reaches(id, 'delivered')
})

test('messages wait for a handler, and are found by what they are', async () => {
  await send(async (ctx) => {
    await ctx.send('mail', 1)
    await ctx.send('log', 2)
  }, 'a')
  await send((ctx) => ctx.send('mail', 3), 'b')
  const found = async (query: Parameters<Selvage['messages']>[0]): Promise<unknown[]> =>
    (await selvage.messages(query)).items.map(({ payload }) => payload)
  expect(await found({})).toEqual([3, 2, 1])
  expect(await found({ topic: 'mail' })).toEqual([3, 1])
  expect(await found({ runId: 'a' })).toEqual([2, 1])
  expect(await found({ runId: 'a', topic: 'log', state: 'waiting' })).toEqual([2])
  expect(await found({ state: 'delivered' })).toEqual([])
  const first = await selvage.messages({ limit: 2 })
  expect(first.items).toHaveLength(2)
  expect((await selvage.messages({ limit: 2, after: first.next ?? '' })).items).toMatchObject([{ payload: 1 }])

  selvage.outbox('mail', take)
  // `log` has no handler: what its run sent before it is delivered.
  expect((await deliveries(2)).map(({ payload }) => payload).toSorted()).toEqual([1, 3])
})

test('what makes no sense is refused', async () => {
  selvage.outbox('mail', take)
  expect(() => selvage.outbox('mail', take)).toThrow(/"mail" has a handler already/)
  expect(() => selvage.outbox('$mine', take)).toThrow(/cannot have the topic "\$mine"/)
  expect(() => selvage.outbox('x', take, { timeout: 'soon' as never })).toThrow(/timeout of the topic "x"/)
  await expect(send((ctx) => ctx.send('', 1), 'none')).rejects.toThrow(/cannot have the topic ""/)
  await expect(send((ctx) => ctx.send('mail', () => 1), 'f')).rejects.toThrow(/is a function/)
  await expect(selvage.message('msg_x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(selvage.resend('msg_x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(selvage.messages({ state: 'lost' as never })).rejects.toThrow(/waiting, delivering, delivered, dead/)

  const late: (() => unknown)[] = []
  await send((ctx) => ctx.step('early', (at) => void late.push(() => at.send('mail'))), 'late')
  expect(late[0]).toThrow(/sent after step early of run late/)
})
