import { createHost, type Durable, type Host, type Op, type Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { afterEach, expect, it } from 'vitest'
import { memoryBlobs } from '../memory-blobs.ts'
import { seededRandom } from '../random.ts'
import { type TickingClock, tickingClock } from '../ticking-clock.ts'
import { turns } from './hostility.ts'
import { type TurnEngine, type TurnEngineOptions, turnEngine } from './turn-engine.ts'

const clocks: TickingClock[] = []
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.stop()
})

const code = (key: string): Op => ({ key, kind: 'code', name: key })

async function world(options: Omit<TurnEngineOptions, 'clock'>, run: Program['run'], hosts = 2): Promise<TurnEngine> {
  const clock = tickingClock()
  clocks.push(clock)
  const engine = turnEngine({ clock, ...options })
  const blobs = memoryBlobs()
  for (let index = 0; index < hosts; index++) {
    const host: Host = createHost({
      runtime: nodeRuntime({ clock }),
      manifest: engine.manifest,
      programs: () => [{ name: 'p', resume: 'replay', run }],
      outbound: engine,
      blobs,
    })
    await engine.serve(host)
  }
  await engine.start('r', { program: 'p', input: null })
  return engine
}

const fiveSteps = async (durable: Durable): Promise<number> => {
  let sum = 0
  for (let n = 1; n <= 5; n++) {
    sum += await durable.step(code(`s${n}`), async () => {
      await turns(n)
      return n
    })
  }
  return sum
}

for (const journal of ['engine', 'store'] as const) {
  for (const affinity of [true, false]) {
    for (const countsDeliveries of [true, false]) {
      it(`journal ${journal}, affinity ${affinity}, counts ${countsDeliveries}: five steps`, async () => {
        const engine = await world({ journal, affinity, countsDeliveries }, fiveSteps)
        expect(await engine.ended('r')).toEqual({ ok: 15 })
        expect(engine.entries('r').map(({ type }) => type)).toEqual(['start', ...Array(5).fill('step'), 'end'])
        expect(engine.violations).toEqual([])
      })

      it(`journal ${journal}, affinity ${affinity}, counts ${countsDeliveries}: everything goes wrong`, async () => {
        for (let seed = 0; seed < 20; seed++) {
          const hostility = {
            losesReplies: 0.3,
            deliversTwice: 0.3,
            deliversLate: 0.3,
            kills: 0.3,
            drops: 0.3,
            failsAppends: 0.2,
            ...(journal === 'engine' && { rotatesEvery: 3 }),
          }
          const random = seededRandom(seed)
          const engine = await world({ journal, affinity, countsDeliveries, hostility, random }, fiveSteps)
          expect(await engine.ended('r')).toEqual({ ok: 15 })
          await engine.quiet()
          expect(engine.violations).toEqual([])
        }
      })
    }
  }
}

it('wakes a waiting run by a signal, once by its id', async () => {
  const engine = await world({ hostility: { delaysSignals: 1, offers: 1 } }, async (durable) => {
    const first = await durable.wait('w1', 'hello')
    const second = await durable.wait('w2', 'hello', durable.now() + 50)
    return [first.ok, second.ok]
  })
  const signal = { id: 'one', name: 'hello', payload: 1 }
  expect(await engine.signal('r', signal)).toEqual({ accepted: true })
  expect(await engine.signal('r', signal)).toMatchObject({ accepted: false, first: signal })
  expect(await engine.ended('r')).toEqual({ ok: [true, false] })
})
