/** Runs of several ways beside each other: interleaved, or on a processor each where one run takes minutes. */
import { availableParallelism } from 'node:os'
import { makeReady, type Ran } from '../cycles/run-way.ts'
import type { WayName } from '../cycles/ways.ts'
import type { Measuring } from './cycle-sizes.ts'

export interface Found {
  readonly runs: ReadonlyMap<WayName, readonly Ran[]>
  /** What failed, or had no time. */
  readonly notes: readonly string[]
}

/** No round begins behind `until`, and none lasts beyond it. */
export async function measureWays({ groups, lanes = [], ...size }: Measuring, until: number): Promise<Found> {
  const runs = new Map<WayName, Ran[]>()
  const notes: string[] = []
  const attempt = async (way: WayName, work: () => Promise<Ran>): Promise<void> => {
    try {
      runs.set(way, [...(runs.get(way) ?? []), await work()])
    } catch (error) {
      notes.push(error instanceof Error ? error.message : String(error))
    }
  }
  for (const [ways, rounds] of groups) {
    for (let round = 0; round < rounds; round++) {
      if (performance.now() > until) {
        notes.push(`no time was left for ${round === 0 ? ways.map((way) => `"${way}"`).join(', ') : 'more rounds'}`)
        break
      }
      // Their imports, which are not measured, share the processors; the runs do not.
      const ready = ways.map((way) => makeReady(way, size))
      await Promise.allSettled(ready)
      for (let place = 0; place < ways.length; place++) {
        const index = (place + round) % ways.length
        const way = ways[index]
        if (way !== undefined) await attempt(way, async () => (await ready[index])?.run(until) as Promise<Ran>)
      }
    }
  }
  const inTurn = async (ways: readonly WayName[]): Promise<void> => {
    for (const way of ways) await attempt(way, async () => (await makeReady(way, size)).run(until))
  }
  if (availableParallelism() < lanes.length) await inTurn(lanes.flat())
  else await Promise.all(lanes.map(inTurn))
  return { runs, notes }
}
