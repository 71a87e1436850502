/** What a user may set. */
import {
  type OptionNames,
  refuseNoFunction,
  refuseNoObject,
  refuseNoPort,
  refuseNoSwitch,
  refuseNoText,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import { checkNumbers } from '@selvage/core/engines'
import type { NodePlatformOptions } from '@selvage/runtime-node'
import { PLACE } from './errors.ts'

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
  /** After so long without a sign of life a worker has lost its runs. Milliseconds, at least 100; default 5,000. */
  readonly leaseMs?: number
  /** How often a worker looks into each queue of its programs. Milliseconds; default 200. */
  readonly pollMs?: number
  /** How long a run that waits stays with its worker before only DBOS's row of it is left. Milliseconds; default 10,000. */
  readonly lingerMs?: number
  /** When a run begins a new workflow: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number }
  /** Connections at most; at least 2, default 10. Two more are for DBOS's own client, and on another one a worker listens. */
  readonly poolSize?: number
  /** Milliseconds that a stop waits for what is in flight; default 10,000. */
  readonly stopGraceMs?: number
}

const OPTIONS: OptionNames<DbosOptions> = {
  url: true,
  name: true,
  namesSteps: true,
  leaseMs: true,
  pollMs: true,
  lingerMs: true,
  rotateAfter: true,
  poolSize: true,
  stopGraceMs: true,
  clock: true,
  onError: true,
}
const ROTATE_AFTER: OptionNames<NonNullable<DbosOptions['rotateAfter']>> = { advances: true, bytes: true }

/** BAD_INPUT for an option that nobody knows, and for one of another kind than it must be. */
export function refuseOptions(options: DbosOptions): void {
  refuseNoObject('dbosEngine()', options ?? null)
  refuseUnknown('dbosEngine()', options, OPTIONS)
  refuseUnknown('rotateAfter of dbosEngine()', options.rotateAfter, ROTATE_AFTER)
  if (options.name !== undefined) refuseNoText('name of dbosEngine()', options.name)
  refuseNoSwitch('namesSteps of dbosEngine()', options.namesSteps)
  refuseNoFunction('onError of dbosEngine()', options.onError)
  refuseNoPort('clock of dbosEngine()', options.clock, ['now'])
  refuseNoText('url of dbosEngine()', options.url)
  if (/^postgres(?:ql)?:\/\//.test(options.url)) return
  throw new UsageError('BAD_INPUT', 'The url of dbosEngine() is no postgres: url.', {
    hint: "Write 'postgres://user:password@host:5432/database'.",
  })
}

export type Settings = DbosOptions &
  Required<Pick<DbosOptions, 'name' | 'leaseMs' | 'pollMs' | 'lingerMs' | 'poolSize' | 'stopGraceMs'>>

/** BAD_INPUT. */
export function settingsOf(options: DbosOptions): Settings {
  const { name = 'selvage', leaseMs = 5_000, pollMs = 200 } = options
  const { lingerMs = 10_000, poolSize = 10, stopGraceMs = 10_000 } = options
  checkNumbers(PLACE, { leaseMs }, { least: SHORTEST_LEASE_MS })
  checkNumbers(PLACE, { pollMs }, { least: 1 })
  checkNumbers(PLACE, { lingerMs, stopGraceMs }, { least: 0 })
  const { advances, bytes } = options.rotateAfter ?? {}
  checkNumbers(PLACE, { 'rotateAfter.advances': advances, 'rotateAfter.bytes': bytes }, { least: 1 })
  checkNumbers(PLACE, { poolSize }, { least: FEWEST_CONNECTIONS })
  return { ...options, name, leaseMs, pollMs, lingerMs, poolSize, stopGraceMs }
}

const SHORTEST_LEASE_MS = 100

/** DBOS listens on one for as long as a worker works. */
const FEWEST_CONNECTIONS = 2
