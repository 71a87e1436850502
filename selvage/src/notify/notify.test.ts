/** Who outside is told what, in which order, and what it costs those who do not ask. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type FakeClock, fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Notification, openSelvage, type Selvage, verifyWebhook, webhook } from '../core.ts'

vi.setConfig({ testTimeout: 30_000 })

const HOUR = 3_600_000
const SECRET = 'the secret of this webhook'

let folder: string
let url: string
let clock: FakeClock
const opened: Selvage[] = []
let server: Server | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-notify-'))
  url = `sqlite:${join(folder, 'a.db')}`
  clock = fakeClock()
})

afterEach(async () => {
  for (const selvage of opened.splice(0)) await selvage.close()
  server?.close()
  server?.closeAllConnections()
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: Parameters<typeof openSelvage>[0] = {}): Promise<Selvage> {
  const selvage = await openSelvage({ url, clock, ...options })
  opened.push(selvage)
  return selvage
}

/** What was told, and a wait for more of it. */
function listener(): { told: Notification[]; notify: (one: Notification) => void; until(n: number): Promise<void> } {
  const told: Notification[] = []
  let wake = (): void => {}
  return {
    told,
    notify(one) {
      told.push(one)
      wake()
    },
    async until(n) {
      while (told.length < n) await new Promise<void>((resolve) => (wake = resolve))
    },
  }
}

const types = (told: readonly Notification[]): string[] => told.map(({ type }) => type)

describe('those outside are told', () => {
  test('what becomes of a run and its questions, in order, whatever process does it', async () => {
    const all = listener()
    const selvage = await open({ notify: [{ name: 'all', deliver: all.notify }] })
    const pay = selvage.workflow('pay', (ctx) =>
      ctx.approval('pay', {
        assignee: 'ann',
        input: { amount: 5 },
        timeout: '5h',
        reminders: '2h',
        onTimeout: 'escalate',
        escalateTo: ['boss'],
      }),
    )
    const run = await pay.start(undefined, { runId: 'r', tags: { team: 'red' } })
    await all.until(3)
    // Another process, which was not asked to tell anybody.
    const other = await open({ work: false })
    const id = all.told[1]?.question?.id ?? ''
    await other.run('r').delegate(id, { to: 'bob', by: 'ann' })
    await all.until(4)
    for (const [hours, told] of [
      [2, 6],
      [2, 8],
      [1, 11],
    ] as const) {
      await clock.advance(hours * HOUR)
      await all.until(told)
    }
    const second = all.told.find(({ type }) => type === 'question.escalated')?.question?.id ?? ''
    await other.run('r').approve(second, { by: 'boss' })
    await run.result()
    await all.until(13)
    expect(types(all.told)).toEqual([
      'run.started',
      'question.opened',
      'run.suspended',
      'question.delegated',
      'question.reminder',
      'run.suspended',
      'question.reminder',
      'run.suspended',
      'question.expired',
      'question.escalated',
      'run.suspended',
      'question.answered',
      'run.completed',
    ])
    expect(all.told[1]).toMatchObject({
      id: expect.stringMatching(/^ntf_[0-9a-f]{22}$/),
      at: expect.any(Number),
      run: { id: 'r', program: 'pay', tags: { team: 'red' } },
      question: { name: 'pay', assignee: 'ann', input: { amount: 5 }, runId: 'r' },
    })
    expect(all.told[3]).toMatchObject({ delegated: { from: 'ann', to: 'bob' }, question: { assignee: 'bob' } })
    expect(all.told.at(-2)).toMatchObject({ question: { status: 'answered', answer: { by: 'boss' } } })
    expect(new Set(all.told.map((one) => one.id)).size).toBe(all.told.length)
    const hours = all.told.map(({ at }) => Math.round((at - (all.told[0]?.at ?? 0)) / HOUR))
    expect(hours).toEqual([0, 0, 0, 0, 2, 2, 4, 4, 5, 5, 5, 5, 5])
  })

  test('what they asked for, and votes, failures, cancels and retries', async () => {
    const some = listener()
    const selvage = await open({
      notify: [
        {
          name: 'some',
          events: ['run.failed', 'run.cancelled', 'run.retried', 'run.completed', 'question.voted'],
          deliver: some.notify,
        },
      ],
    })
    let fails = true
    const pay = selvage.workflow('pay', async (ctx) => {
      await ctx.approval('pay', { quorum: 2, of: ['ann', 'bob'] })
      if (fails) throw new Error('no funds')
    })
    const run = await pay.start(undefined, { runId: 'r' })
    for await (const event of run.events()) {
      if (event.type !== 'questionOpened') continue
      await run.approve(event.question.id, { by: 'ann' })
      await run.approve(event.question.id, { by: 'bob' })
      break
    }
    await run.result().catch(() => {})
    fails = false
    await run.retry()
    await run.result()
    await some.until(5)
    expect(some.told.map(({ type, seat, run }) => [type, seat ?? run.error?.message ?? ''])).toEqual([
      ['question.voted', 'ann'],
      ['question.voted', 'bob'],
      ['run.failed', expect.any(String)],
      ['run.retried', ''],
      ['run.completed', ''],
    ])
    const cancelled = await pay.start(undefined, { runId: 'c' })
    await cancelled.cancel('enough')
    await some.until(6)
    expect(some.told[5]).toMatchObject({ type: 'run.cancelled', run: { id: 'c', reason: 'enough' } })
  })

  test('each for itself: one that is down holds up nobody else, and one run not another', async () => {
    const up = listener()
    const down = listener()
    const selvage = await open({
      notify: [
        { name: 'up', deliver: up.notify },
        {
          name: 'down',
          retry: { initial: 1_000, factor: 1, jitter: 'none' },
          deliver: (one) => {
            down.notify(one)
            if (one.run.id === 'a') throw new Error('down')
          },
        },
      ],
    })
    const flow = selvage.workflow('flow', () => 1)
    await (await flow.start(undefined, { runId: 'a' })).result()
    await (await flow.start(undefined, { runId: 'b' })).result()
    await up.until(4)
    await down.until(3)
    const of = (id: string): string[] => types(down.told.filter(({ run }) => run.id === id))
    expect(of('b')).toEqual(['run.started', 'run.completed'])
    expect(of('a')).toEqual(['run.started'])
    // It is told as often as it may be; then the next one has its turn.
    while (down.told.length < 23) {
      await clock.advance(1_000)
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
    expect(of('a')).toEqual([...Array<string>(20).fill('run.started'), 'run.completed'])
    const { items } = await selvage.messages({ state: 'dead' })
    expect(items).toMatchObject([{ topic: '$notify/down', payload: { type: 'run.started' }, attempts: 20 }])
  })
})

describe('a webhook', () => {
  interface Received {
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }

  async function receiver(
    answers: readonly number[],
  ): Promise<{ address: string; received: Received[]; until(n: number): Promise<void> }> {
    const received: Received[] = []
    let wake = (): void => {}
    server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      received.push({ headers: request.headers, body })
      response.writeHead(answers[received.length - 1] ?? 204, { 'retry-after': '7' }).end()
      wake()
    })
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return {
      address: `http://127.0.0.1:${port}/hook?key=x`,
      received,
      async until(n) {
        while (received.length < n) await new Promise<void>((resolve) => (wake = resolve))
      },
    }
  }

  test('is signed, and tried again with the same id until it is taken', async () => {
    const { address, received, until } = await receiver([500, 302])
    const hook = webhook({
      url: address,
      secret: [SECRET, `whsec_${btoa('another secret')}`],
      events: ['run.completed'],
    })
    expect(hook.name).toBe(address.slice(0, -'?key=x'.length))
    const selvage = await open({ notify: [hook] })
    await (await selvage.workflow('flow', () => 1).start(undefined, { runId: 'a' })).result()
    await until(1)
    for (const attempt of [2, 3]) {
      await vi.waitFor(async () => {
        await clock.advance(7_000)
        expect(received.length).toBeGreaterThanOrEqual(attempt)
      })
    }
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    const [{ headers, body } = { headers: {}, body: '' }] = received
    for (const secret of [SECRET, `whsec_${btoa('another secret')}`, ['an older secret of it', SECRET]]) {
      expect(verifyWebhook({ secret, headers, body })).toMatchObject({ type: 'run.completed', run: { id: 'a' } })
    }
    const sent = new Headers(headers as Record<string, string>)
    const now = Number(headers['webhook-timestamp']) * 1_000
    const wrong = [
      { secret: 'another secret than that', headers, body },
      { secret: SECRET, headers, body: body.replace('"a"', '"b"') },
      { secret: SECRET, headers: { ...headers, 'webhook-id': 'ntf_0' }, body },
      { secret: SECRET, headers: { ...headers, 'webhook-timestamp': '1' }, body },
      { secret: SECRET, headers: {}, body },
      { secret: SECRET, headers: sent, body, now: now + 301_000 },
      { secret: SECRET, headers: sent, body, now: now - 301_000 },
    ]
    for (const one of wrong)
      expect(() => verifyWebhook(one)).toThrow(expect.objectContaining({ code: 'WEBHOOK_INVALID' }))
    expect(verifyWebhook({ secret: SECRET, headers: sent, body, now: now + 299_000 })).toBeTruthy()
  })

  test('needs an address and a secret', () => {
    for (const wrong of [{ url: 'x' }, { url: 'ftp://x' }, { secret: 'short' }]) {
      const options = { url: 'https://example.com', secret: SECRET, ...wrong }
      expect(() => webhook(options)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    }
  })
})

describe('who is to be told', () => {
  test('is named, once, and asks for what there is', async () => {
    const deliver = (): void => {}
    const wrong = [
      [
        { name: 'a', deliver },
        { name: 'a', deliver },
      ],
      [{ name: '', deliver }],
      [{ name: 'a', deliver, events: ['run.paused'] }],
      [{ name: 'a' }],
    ]
    for (const notify of wrong) {
      await expect(openSelvage({ url, notify: notify as never })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    }
  })

  test('by default is nobody: nothing is kept for anybody, and no trigger looks', async () => {
    const selvage = await open()
    await (await selvage.workflow('flow', () => 1).start()).result()
    const database = new DatabaseSync(join(folder, 'a.db'), { readOnly: true })
    const triggers = database.prepare("select name from sqlite_schema where type = 'trigger'").all()
    database.close()
    expect(triggers).toEqual([])
    expect(await selvage.messages()).toEqual({ items: [] })
  })

  test('is forgotten after 30 days without anybody who serves it', async () => {
    const first = await open({ work: false, notify: [{ name: 'gone', deliver: () => {} }] })
    const worker = await open()
    const flow = worker.workflow('flow', () => 1)
    await (await flow.start()).result()
    expect((await first.messages({ topic: '$notify/gone' })).items).toHaveLength(2)
    await first.close()
    await worker.close()
    await clock.advance(31 * 24 * HOUR)
    const later = await open()
    await (await later.workflow('flow', () => 1).start()).result()
    expect((await later.messages()).items).toEqual([])
  })
})
