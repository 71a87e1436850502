import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSelvage, RetryableError, type RunEvent, type Selvage } from '../core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterEach(async () => {
  await selvage.close()
})

async function all(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const seen: RunEvent[] = []
  for await (const event of events) seen.push(event)
  return seen
}

/** Without what a reader is told only if it happens to look at that moment. */
function steady(events: readonly RunEvent[]): RunEvent[] {
  return events.filter(({ type }) => type !== 'runSuspended' && type !== 'runResumed')
}

function told(event: RunEvent): string {
  return 'step' in event && event.step !== undefined ? `${event.type} ${event.step}` : event.type
}

test('a live reader sees steps begin, speak and end, in that order', async () => {
  const talk = selvage.workflow('talk', async (ctx) => {
    await ctx.signal('go')
    for (const name of ['a', 'b']) {
      await ctx.step(name, (at) => {
        at.emit({ word: name })
        return name.toUpperCase()
      })
    }
    await ctx.step('c', () => 1, { effect: 'once' })
  })
  const run = await talk.start()
  const events: RunEvent[] = []
  for await (const event of run.events()) {
    if (event.type === 'runStarted') await run.signal('go')
    events.push(event)
  }
  expect(steady(events).map(told)).toEqual([
    'runStarted',
    'signalReceived',
    'waitEnded',
    'stepStarted a',
    'chunk a',
    'stepCompleted a',
    'stepStarted b',
    'chunk b',
    'stepCompleted b',
    'stepStarted c',
    'stepCompleted c',
    'runCompleted',
  ])
  expect(events.filter((event) => event.type === 'chunk').map((event) => event.chunk)).toEqual([
    { word: 'a' },
    { word: 'b' },
  ])
  expect(events.slice(1).every((event) => !event.replayed)).toBe(true)
})

test('what was recorded before is marked as replayed, and a cursor goes on behind its event', async () => {
  const three = selvage.workflow('three', async (ctx) => {
    for (const name of ['a', 'b', 'c']) await ctx.step(name, () => name)
  })
  const run = await three.start()
  await run.result()
  const events = await all(run.events())
  expect(events.map(told)).toEqual([
    'runStarted',
    'stepCompleted a',
    'stepCompleted b',
    'stepCompleted c',
    'runCompleted',
  ])
  expect(events.every((event) => event.replayed)).toBe(true)
  for (const [index, event] of events.entries()) {
    expect(await all(run.events({ after: event.cursor }))).toEqual(events.slice(index + 1))
  }
})

test('a reader that comes and goes misses nothing that is recorded and sees nothing of it twice', async () => {
  const many = selvage.workflow('many', async (ctx) => {
    for (let n = 0; n < 20; n++) await ctx.step(`s${n}`, (at) => at.emit(n))
  })
  const run = await many.start()
  const recorded: string[] = []
  let after: string | undefined
  for (let ended = false; !ended; ) {
    let budget = 3
    for await (const event of run.events(after === undefined ? {} : { after })) {
      after = event.cursor
      ended = event.type === 'runCompleted'
      if (event.type === 'stepCompleted') recorded.push(event.step)
      if (--budget === 0) break
    }
  }
  expect(recorded).toEqual(Array.from({ length: 20 }, (_, n) => `s${n}`))
})

test('attempts: a retry is told, and the next attempt voids what the one before said', async () => {
  let attempts = 0
  const flaky = selvage.workflow('flaky', async (ctx) => {
    await ctx.signal('go')
    await ctx.step('try', (at) => {
      at.emit(`attempt ${at.attempt}`)
      attempts += 1
      if (attempts === 1) throw new RetryableError('again', { after: 1 })
    })
  })
  const run = await flaky.start()
  const events: RunEvent[] = []
  for await (const event of run.events()) {
    if (event.type === 'runStarted') await run.signal('go')
    events.push(event)
  }
  const ofStep = events.filter((event) => 'step' in event && event.step === 'try')
  expect(ofStep.map((event) => [event.type, 'attempt' in event ? event.attempt : 0])).toEqual([
    ['stepStarted', 1],
    ['chunk', 1],
    ['stepRetrying', 1],
    ['stepRestarted', 2],
    ['chunk', 2],
    ['stepCompleted', 2],
  ])
})

test('a reader that leaves stops nothing, and its signal ends the stream without an error', async () => {
  const wait = selvage.workflow('wait', (ctx) => ctx.signal('go'))
  const run = await wait.start()
  const leave = new AbortController()
  const seen: RunEvent[] = []
  for await (const event of run.events({ abortSignal: leave.signal })) {
    seen.push(event)
    setTimeout(() => leave.abort())
  }
  expect(steady(seen).map(told)).toEqual(['runStarted'])
  await run.signal('go', 1)
  expect(await run.result()).toBe(1)
})

test('failed, cancelled and retried runs say so', async () => {
  let broken = true
  const fragile = selvage.workflow('fragile', (ctx) =>
    ctx.step('break', () => {
      if (broken) throw new Error('no luck')
    }),
  )
  const run = await fragile.start()
  await run.result().catch(() => {})
  broken = false
  await run.retry()
  await run.result()
  expect((await all(run.events())).map(told)).toEqual([
    'runStarted',
    'stepFailed break',
    'runFailed break',
    'runReopened',
    'stepCompleted break',
    'runCompleted',
  ])
})

test('a cursor that is none and an unknown run are errors', async () => {
  const echo = selvage.workflow('echo', () => 1)
  const run = await echo.start()
  expect(() => run.events({ after: 'abc' })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  await expect(all(run.events({ after: '99' }))).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await expect(all(selvage.run('nobody').events())).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a run that waits is told to be suspended, with what it waits for, and to go on before anything else is told', async () => {
  const wait = selvage.workflow('wait', async (ctx) => {
    await ctx.signal('go')
    await ctx.signal('on')
  })
  const run = await wait.start()
  const events: RunEvent[] = []
  for await (const event of run.events()) {
    if (event.type === 'runSuspended') await run.signal(event.waitsFor.signals.includes('go') ? 'go' : 'on')
    events.push(event)
  }
  expect(events.map(told)).toEqual([
    'runStarted',
    'runSuspended',
    'runResumed',
    'signalReceived',
    'waitEnded',
    'runSuspended',
    'runResumed',
    'signalReceived',
    'waitEnded',
    'runCompleted',
  ])
  // It was not recorded: who comes later is told nothing of it.
  expect((await all(run.events())).map(told)).toEqual(steady(events).map(told))
})

test('a question is told with what has become of it, so that it is answered once however often its run is read', async () => {
  const ask = selvage.workflow('ask', async (ctx) => [await ctx.approval('a'), await ctx.approval('b')])
  const run = await ask.start()
  const statuses: unknown[] = []
  const answerAll = async (readUntil: number) => {
    for await (const event of run.events()) {
      if (event.type !== 'questionOpened') continue
      statuses.push(event.status)
      if (event.status === 'open') await run.approve(event.question.id)
      if (statuses.length === readUntil) break
    }
  }
  await answerAll(1)
  await answerAll(3)
  await run.result()
  await answerAll(5)
  expect(statuses).toEqual(['open', 'answered', 'open', 'answered', 'answered'])
})
