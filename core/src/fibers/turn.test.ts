/** Time passes while a turn looks around: nothing that becomes due meanwhile is missed. */
import { nodeRuntime } from '@selvage/runtime-node'
import { expect, test } from 'vitest'
import { advancing } from '../../test/in-memory.ts'
import type { Clock, Durable, Outcome, Program } from '../index.ts'

/** A millisecond passes each time that somebody looks at it. */
function glancingClock(): Clock {
  let time = 1_000_000
  return {
    now: () => ++time,
    monotonic: () => ++time,
    timer(ms, callback) {
      const immediate = setImmediate(() => {
        time += ms
        callback()
      })
      return () => clearImmediate(immediate)
    },
  }
}

async function runToEnd({ run }: Program, cancelGraceMs = 30_000, cancelled = false): Promise<Outcome> {
  const advance = advancing(run, [], {
    host: { runtime: { ...nodeRuntime(), clock: glancingClock() }, cancelGraceMs },
    request: { signals: cancelled ? [{ id: '$cancel', name: '$cancel', payload: 'enough' }] : [] },
  })
  for (;;) {
    const progress = await advance()
    if (progress.kind === 'done') return progress.outcome
  }
}

const program = (run: (durable: Durable) => Promise<unknown>): Program => ({ name: 'p', resume: 'replay', run })
const op = (key: string) => ({ key, kind: 'code', name: key }) as const
const DELAYS = Array.from({ length: 60 }, (_, ms) => ms)

test('a sleep is over, however long it takes to come to rest', async () => {
  for (const ms of DELAYS) {
    const sleeper = program(async (durable) => (await durable.wait('sleep', '$sleep', durable.clock() + ms)).ok)
    expect(await runToEnd(sleeper)).toEqual({ ok: false })
  }
})

test('of several sleeps that are over by the time that somebody looks, the shortest is told first', async () => {
  const order: number[] = []
  const sleepers = program(async (durable) => {
    const sleep = async (ms: number): Promise<void> => {
      await durable.wait(`sleep ${ms}`, '$sleep', durable.clock() - 1_000 + ms)
      order.push(ms)
    }
    await Promise.all([sleep(300), sleep(100), sleep(200)])
  })
  await runToEnd(sleepers)
  expect(order).toEqual([100, 200, 300])
})

test('an attempt is made again, however long it takes to come to rest', async () => {
  for (const ms of DELAYS) {
    const retrying = program(async (durable) =>
      durable.step(
        op('flaky'),
        ({ attempt }) => {
          if (attempt === 1) throw new Error('not yet')
          return attempt
        },
        { retryAfterMs: () => ms },
      ),
    )
    expect(await runToEnd(retrying)).toEqual({ ok: 2 })
  }
})

test('a time-out ends beside a step in flight, also one that lies in the past', async () => {
  for (const ms of [-10, ...DELAYS]) {
    const racing = program(async (durable) => {
      const released = Promise.withResolvers<void>()
      const step = durable.step(op('long'), () => released.promise)
      const { ok } = await durable.wait('late', 'never', durable.clock() + ms)
      released.resolve()
      await step
      return ok
    })
    expect(await runToEnd(racing)).toEqual({ ok: false })
  }
})

test('a cancelled run ends after its grace, whatever a step in flight does', async () => {
  for (const ms of DELAYS) {
    const stubborn = program(async (durable) => durable.step(op('stubborn'), () => new Promise<never>(() => {})))
    expect(await runToEnd(stubborn, ms, true)).toEqual({ cancelled: 'enough' })
  }
})
