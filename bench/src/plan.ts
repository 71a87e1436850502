/** What is measured, in which order, and for how long: seconds on this page, so that the whole stays what it promises. */
import type { Workload } from './workload.ts'
import { cycles, longCycles } from './workloads/cycles.ts'
import { load } from './workloads/load.ts'
import { many } from './workloads/many.ts'
import { recovery } from './workloads/recovery.ts'
import { session } from './workloads/session.ts'
import { signals } from './workloads/signals.ts'
import { sleepers } from './workloads/sleepers.ts'
import { step } from './workloads/step.ts'

export interface Seconds {
  readonly quick: number
  readonly whole: number
}

export interface Planned {
  readonly workload: Workload
  /** A section begins nothing more behind them. */
  readonly seconds: Seconds
  /** What it has begun when its time is over is given up so much later, and what it has saved is shown. */
  readonly grace?: Seconds
}

const GRACE: Seconds = { quick: 6, whole: 25 }
/** What no section times, made for all of them at once (`prepare` of a workload), and the start of the servers. */
export const PREPARING: Seconds = { quick: 16, whole: 142 }
/** From the end of installations on: nothing is begun behind it, however long preparing and servers took. */
export const DEADLINE: Seconds = { quick: 101, whole: 19.3 * 60 }
/** A section may take so many times its seconds where those before it have left some. */
const AT_MOST = 2.5

/**
 * In turn. First the one whose longest runs are minutes: they are never given up because of what other sections took, and a
 * machine that needs longer for them has less time for what can be less.
 */
export const PLAN: readonly Planned[] = [
  { workload: cycles, seconds: { quick: 15, whole: 520 }, grace: { quick: 6, whole: 300 } },
  { workload: step, seconds: { quick: 22, whole: 140 } },
  { workload: load, seconds: { quick: 14, whole: 174 } },
  { workload: signals, seconds: { quick: 8, whole: 34 } },
  { workload: recovery, seconds: { quick: 8, whole: 58 } },
  { workload: session, seconds: { quick: 6, whole: 42 } },
  { workload: sleepers, seconds: { quick: 6, whole: 28 } },
  { workload: many, seconds: { quick: 6, whole: 20 } },
]

/** What does not fit into a whole run, on a page of its own. */
export const longFor = (minutes: number): Planned => ({
  workload: longCycles,
  seconds: { quick: 0, whole: minutes * 60 },
})

/** As the results are read. */
export const READ: readonly Workload[] = [step, load, signals, recovery, session, sleepers, many, cycles, longCycles]

/** Seconds for the first of `open`, of those that are `left` for all of them. */
export function budgetOf(open: readonly Planned[], left: number, mode: keyof Seconds): number {
  const own = open[0]?.seconds[mode] ?? 0
  const all = open.reduce((sum, { seconds }) => sum + seconds[mode], 0)
  return Math.round(Math.max(0, Math.min(AT_MOST * own, (left * own) / all)))
}

export function graceOf({ grace = GRACE }: Planned, mode: keyof Seconds): number {
  return grace[mode]
}
