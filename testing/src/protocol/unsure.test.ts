/** Rule 1 of docs/advance.md for a worker that stood still, and does not know yet whether the run is still its own. */
import { nodeRuntime } from '@selvage/runtime-node'
import { expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const WAYS = [
  ['the engine', { manifest: { journal: 'engine' } }],
  ['a store', { manifest: { journal: 'store', affinity: false } }],
] as const

/** A worker that does not know whether a run is its own from when it stood still until it is told. */
function worker() {
  let doubt: PromiseWithResolvers<void> | undefined
  return {
    standsStill: () => {
      doubt = Promise.withResolvers<void>()
    },
    isSure: () => {
      doubt?.resolve()
      doubt = undefined
    },
    untilSure: () => doubt?.promise,
  }
}

it.each(WAYS)(
  'nothing begins before it knows, and all of it does then: where %s keeps the journal',
  async (_, options) => {
    const { standsStill, isSure, untilSure } = worker()
    const begun: string[] = []
    const act = (name: string) => () => {
      begun.push(name)
      standsStill()
    }
    const engine = byHand(async (durable) => {
      await durable.step(code('first'), act('first'))
      await Promise.all(['left', 'right'].map((name) => durable.step(code(name), act(name))))
      await durable.step(code('charge', 'once'), act('charge'))
    }, options)
    const host = engine.host()
    standsStill()
    const end = (async () => {
      for (;;) if ((await engine.step(host, { untilSure })).kind !== 'continue') return
    })()
    const expected = ['first', 'left', 'right', 'charge']
    for (let count = 0; count <= expected.length; count++) {
      await turns(20)
      expect(begun).toEqual(expected.slice(0, count))
      isSure()
    }
    await end
    expect(engine.story.at(-1)).toBe('end')
  },
)

it('a retry whose time comes while others are in flight does not begin either', async () => {
  const slow = held()
  const attempts: number[] = []
  const { standsStill, isSure, untilSure } = worker()
  const engine = byHand(
    async (durable) =>
      Promise.all([
        durable.step(code('slow'), slow.body),
        durable.step(
          code('flaky'),
          ({ attempt }) => {
            attempts.push(attempt)
            if (attempt === 1) throw new Error('not yet')
          },
          { retryAfterMs: () => 1_000 },
        ),
      ]),
    WAYS[1][1],
  )
  const reply = engine.finish(engine.host(), { untilSure })
  await turns(8)
  expect(attempts).toEqual([1])
  standsStill()
  await engine.clock.advance(60_000)
  await turns(8)
  expect(attempts).toEqual([1])
  isSure()
  await turns(8)
  expect(attempts).toEqual([1, 2])
  slow.end()
  expect(await reply).toMatchObject({ kind: 'done' })
})

it('one that does not know is not told to wait for what its program waits for beside that', async () => {
  const begun: string[] = []
  const { standsStill, isSure, untilSure } = worker()
  const engine = byHand(
    (durable) => Promise.all([durable.wait('go', 'go'), durable.step(code('first'), () => void begun.push('first'))]),
    WAYS[1][1],
  )
  standsStill()
  const reply = engine.ask(engine.host(), { untilSure })
  await turns(20)
  isSure()
  expect(await reply).toMatchObject({ kind: 'wait', signals: ['go'] })
  expect(begun).toEqual(['first'])
})

it('what was lost never begins', async () => {
  const begun: string[] = []
  const { standsStill, isSure, untilSure } = worker()
  const engine = byHand((durable) => durable.step(code('first'), () => void begun.push('first')), WAYS[1][1])
  const host = engine.host()
  standsStill()
  const reply = engine.ask(host, { untilSure }).catch(({ code: why }: { code: string }) => why)
  await turns(4)
  host.evict('r')
  isSure()
  expect(await reply).toBe('LEASE_LOST')
  await turns(4)
  expect(begun).toEqual([])
})
