/**
 * How what is ours is called in DBOS, and what it is handed. The name of an application is also that of its workflow, of our
 * schema and of the channel on which changes are told: all workers of a name share runs, and see no others.
 */
import type { Start } from '@selvage/core'
import { checkedName } from '@selvage/core/engines'
import { PLACE } from './errors.ts'

const NAME = /^(?!dbos$)[a-z][a-z0-9_]{0,40}$/
const NAMES = "Give lower-case letters, digits and underscores, beginning with a letter; not 'dbos'."

/** BAD_INPUT. */
export function applicationName(name: string): string {
  return checkedName(PLACE, 'application and schema', name, NAME, NAMES)
}

/** Workers of another one leave our workflows alone: it changes when the loop of a run does. */
export function versionOf(name: string): string {
  return `${name}-1`
}

/** One for each program and version, so that a worker is given only what it has registered. */
export function queueOf(name: string, { program, version }: Pick<Start, 'program' | 'version'>): string {
  return version === undefined ? `${name}:${program}` : `${name}:${program}@${version}`
}

export function workflowOf(name: string, { runId, generation }: Pick<Begin, 'runId' | 'generation'>): string {
  return `${name}:${runId}#${generation}`
}

/** The input of a workflow: a stretch of a run, from where the one before it stood still. */
export interface Begin {
  readonly runId: string
  readonly generation: number
  /** Entries, and steps among them, of all generations before. */
  readonly entries: number
  readonly steps: number
  /** Signals below this number are in the journal. */
  readonly heard: number
  /** Epoch milliseconds. */
  readonly at: number
}
