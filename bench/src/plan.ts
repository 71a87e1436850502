/** What is measured, in which order, and for how long: seconds on this page, so that the whole stays what it promises. */
import type { Workload } from './workload.ts'
import { cycles } from './workloads/cycles.ts'
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
}

/** Of all sections. */
export const TOTAL: Seconds = { quick: 92, whole: 19 * 60 }
/** What a section has begun when its time is over is given up then, and what it has saved is shown. */
export const GRACE: Seconds = { quick: 6, whole: 25 }
/** From the first line on: nothing is measured behind it, however long servers and installations took. */
export const DEADLINE: Seconds = { quick: 98, whole: 19.4 * 60 }

/** Last the one that takes what time is left: its longest runs are minutes. */
export const PLAN: readonly Planned[] = [
  { workload: step, seconds: { quick: 24, whole: 140 } },
  { workload: load, seconds: { quick: 18, whole: 200 } },
  { workload: signals, seconds: { quick: 8, whole: 55 } },
  { workload: recovery, seconds: { quick: 12, whole: 80 } },
  { workload: session, seconds: { quick: 8, whole: 45 } },
  { workload: sleepers, seconds: { quick: 8, whole: 55 } },
  { workload: many, seconds: { quick: 6, whole: 60 } },
  { workload: cycles, seconds: { quick: 8, whole: 505 } },
]
