/**
 * What is measured, and what it is measured beside. A contender is a folder; for each workload that it takes part in it
 * has a file, and names it here. A workload never knows who takes part.
 *
 * Every session runs in a process of its own (session-process.ts), so that heaps, compiled code and timers of two
 * contenders never mix; the processes live side by side and are asked in turn.
 */

/** `full`: what was acknowledged survives loss of power. `normal`: the death of the process. */
export type Durability = 'full' | 'normal'

export interface StepShape {
  readonly durability: Durability
  /** UTF-8 bytes of JSON that each step records. */
  readonly bytes: number
  /** Journal the intent before the effect. */
  readonly once?: boolean
}

/** Steps that each record a value. */
export interface StepSession {
  /** One step after another in one run. Resolves to milliseconds from the first asked for to the last acknowledged. */
  inOneRun(steps: number): Promise<number>
  /** So many runs at once with so many steps each, from start to the last result. */
  atOnce?(runs: number, steps: number): Promise<number>
  /** Ends what is open and puts everything into the database file. */
  close(): Promise<void>
}

export interface Contender {
  /** Of its folder. */
  readonly name: string
  readonly title: string
  readonly version: string
  /** How a durability is set there, and what it comes down to. */
  durability(durability: Durability): string
  /** Opens a session on an empty folder. */
  readonly steps?: (folder: string, shape: StepShape) => Promise<StepSession>
  /** How many steps a folder holds, read without the contender's code, and the statement that says so. */
  readonly countSteps?: (folder: string) => number
}
