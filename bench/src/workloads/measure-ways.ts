/** Runs of several ways beside each other: interleaved, or on a processor each where one run takes minutes. */
import { availableParallelism } from 'node:os'
import { makeReady, type Ran, type Size } from '../cycles/run-way.ts'
import type { WayName } from '../cycles/ways.ts'
import type { Job, Lanes, Rounds } from './cycle-sizes.ts'

type Make = typeof makeReady

/** What was found at one size. */
export interface Found {
  readonly size: Size
  readonly runs: ReadonlyMap<WayName, readonly Ran[]>
  /** What failed, what had no time, and why there are no more rounds. */
  readonly notes: readonly string[]
}

class Finding implements Found {
  readonly size: Size
  readonly runs: Map<WayName, Ran[]> = new Map()
  readonly notes: string[] = []

  constructor(size: Size, why: string | undefined) {
    this.size = { cycles: size.cycles, resultBytes: size.resultBytes }
    if (why !== undefined) this.notes.push(why)
  }

  async add(way: WayName, run: () => Promise<Ran>): Promise<void> {
    try {
      const ran = await run()
      this.runs.set(way, [...(this.runs.get(way) ?? []), ran])
    } catch (error) {
      this.notes.push(error instanceof Error ? error.message : String(error))
    }
  }
}

/** By `performance.now()`: no round begins behind `until`, and no run lasts beyond `patience`. */
export interface Limits {
  readonly until: number
  readonly patience: number
}

export async function measureWays(
  measuring: Rounds | Lanes,
  limits: Limits,
  make: Make = makeReady,
): Promise<readonly Found[]> {
  return 'lanes' in measuring ? inLanes(measuring, limits, make) : [await inRounds(measuring, limits, make)]
}

async function inRounds({ groups, why, ...size }: Rounds, limits: Limits, make: Make): Promise<Found> {
  const found = new Finding(size, why)
  for (const [ways, rounds] of groups) {
    for (let round = 0; round < rounds; round++) {
      if (performance.now() > limits.until) {
        found.notes.push(
          `no time was left for ${round === 0 ? ways.map((way) => `"${way}"`).join(', ') : 'more rounds'}`,
        )
        break
      }
      // Their imports, which are not measured, share the processors; the runs do not.
      const ready = ways.map((way) => make(way, found.size))
      await Promise.allSettled(ready)
      for (let place = 0; place < ways.length; place++) {
        const index = (place + round) % ways.length
        const [way, own] = [ways[index], ready[index]]
        if (way !== undefined && own !== undefined) await found.add(way, async () => (await own).run(limits.patience))
      }
    }
  }
  return found
}

/** Runs of minutes, and what stands beside them: begun as long as there is patience. */
async function inLanes({ lanes, sizes }: Lanes, { patience }: Limits, make: Make): Promise<readonly Found[]> {
  const findings = sizes.map((size) => new Finding(size, size.why))
  const inTurn = async (jobs: readonly Job[]): Promise<void> => {
    for (const { way, size } of jobs) {
      const found = findings.find(
        (each) => each.size.cycles === size.cycles && each.size.resultBytes === size.resultBytes,
      )
      await found?.add(way, async () => {
        if (performance.now() > patience) throw new Error(`no time was left for "${way}"`)
        return (await make(way, size)).run(patience)
      })
    }
  }
  if (availableParallelism() < lanes.length) await inTurn(lanes.flat())
  else await Promise.all(lanes.map(inTurn))
  return findings
}
