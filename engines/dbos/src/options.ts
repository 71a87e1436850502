/** What a user may set. */
import type { NodePlatformOptions } from '@selvage/runtime-node'

/** `clock`: DBOS's own delays go by the system's. */
export interface DbosOptions extends NodePlatformOptions {
  /** Of the database: `postgres://user:password@host:5432/name`. It is made if it is not there. */
  readonly url: string
  /**
   * Of the application in DBOS, and of the schema with our own tables; default `selvage`. One for each application on the
   * database: lower-case letters, digits and underscores.
   */
  readonly name?: string
  /**
   * Whether DBOS's console shows the steps of a run by their names. Each then costs one step of DBOS's more, in which the
   * program asks for it; without, all go by the program's name. Default true.
   */
  readonly namesSteps?: boolean
  /** After so long without a sign of life a worker has lost its runs. Milliseconds; default 5,000. */
  readonly leaseMs?: number
  /** How often a worker looks into each queue of its programs. Milliseconds; default 200. */
  readonly pollMs?: number
  /** How long a run that waits stays with its worker before only DBOS's row of it is left. Milliseconds; default 10,000. */
  readonly lingerMs?: number
  /** When a run begins a new workflow: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number }
  /** Connections at most; default 10. A worker has two more, on which it listens. */
  readonly poolSize?: number
  /** Milliseconds that a stop waits for what is in flight; default 10,000. */
  readonly stopGraceMs?: number
}

export type Settings = Omit<DbosOptions, keyof typeof DEFAULTS> & Required<Pick<DbosOptions, keyof typeof DEFAULTS>>

export function settingsOf(options: DbosOptions): Settings {
  return { ...DEFAULTS, ...options }
}

const DEFAULTS = {
  name: 'selvage',
  namesSteps: true,
  leaseMs: 5_000,
  pollMs: 200,
  lingerMs: 10_000,
  poolSize: 10,
  stopGraceMs: 10_000,
}
