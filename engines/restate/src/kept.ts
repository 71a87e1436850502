/** What Restate keeps of a run, and under which names. */
import type { Entry, Json, Outcome, QuestionRecord, Signal, Start } from '@selvage/core'
import type { Reopen } from '@selvage/core/engines'

/** Names of the three objects. */
export interface Services {
  /** The runs: the long handler `drive`. */
  readonly runs: string
  readonly inbox: string
  readonly blobs: string
}

export function servicesOf(name: string): Services {
  return { runs: name, inbox: `${name}.inbox`, blobs: `${name}.blobs` }
}

/** What begins an invocation that drives a run: generation 0 by `start`, the next ones by rotation or `retry`. */
export interface Begin {
  readonly generation: number
  /** Of generation 0. Epoch milliseconds. */
  readonly first?: {
    readonly start: Start
    readonly at: number
    readonly startAt?: number
    /** The awakeable of a handler that waits for the end of the run: see run-inside.ts. */
    readonly tells?: string
  }
  /** The run had ended and goes on. */
  readonly reopen?: Reopen
  /** Restate had ended it: what that invocation had recorded and not kept, and the end behind it. */
  readonly left?: { readonly invocation: string; readonly entries: readonly Entry[] }
}

/** The state `run` of a run: written when a generation begins and when it ends. Its entries lie in `e<number of the first>`. */
export interface KeptRun {
  readonly start: Start
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly generation: number
  /** Who drives, or drove, this generation. */
  readonly invocation: string
  /** Entries of all generations that are over, and how many steps and reopenings they hold. */
  readonly entries: number
  readonly steps: number
  readonly reopenings: number
  /** Numbers of the inbox that were heard of. */
  readonly heard: number
  /** Signals that are not in the journal yet. */
  readonly signals: readonly Signal[]
  /** Those that are open, and those that were when the run ended. */
  readonly questions: readonly QuestionRecord[]
  /** This generation is over; with an outcome the run is as well. */
  readonly over?: { readonly outcome?: Outcome }
  readonly note?: Json
  /** The awakeable that is told the outcome. */
  readonly tells?: string
}

/** A run of which nothing is kept yet. */
export function newRun({ start, at, tells }: NonNullable<Begin['first']>, invocation: string): KeptRun {
  const none = { entries: 0, steps: 0, reopenings: 0, heard: 0, signals: [], questions: [] }
  const run = { start, createdAt: at, updatedAt: at, generation: 0, invocation, ...none }
  return tells === undefined ? run : { ...run, tells }
}

export const RUN_KEY = 'run'

/** Sorts as the numbers do. */
export function entriesKey(seq: number): string {
  return `e${String(seq).padStart(10, '0')}`
}

/** Each in a state of its own, so that those of all runs can be listed; without its answer, which is in the inbox. */
export const questionKey = (id: string): string => `q:${id}`
