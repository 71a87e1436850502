/** What a user may set, and how Restate treats our handlers. */
import type { ObjectOptions, RetryPolicy } from '@restatedev/restate-sdk'
import {
  type OptionNames,
  refuseNoFunction,
  refuseNoPort,
  refuseNoSwitch,
  refuseNoText,
  refuseNoTexts,
  refuseNumber,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import type { NodePlatformOptions } from '@selvage/runtime-node'
import type { ListenOptions } from './worker.ts'

/** `clock`: Restate's own timers go by the server's. */
export interface RestateOptions extends NodePlatformOptions {
  /** Where handlers are called. Default http://127.0.0.1:8080. */
  readonly ingress?: string
  /** Where workers are made known and runs are read. Default http://127.0.0.1:9070. */
  readonly admin?: string
  /** Sent with each request to both: `authorization`, say. */
  readonly headers?: { readonly [name: string]: string }
  /** Of the virtual object, and how those of its inbox and its blobs begin; default `selvage`. One for each application. */
  readonly name?: string
  readonly listen?: ListenOptions
  /**
   * Where the server reaches the workers: one address for all of a `name` (a load balancer; on one machine a port that they
   * share by `reusePort`). Restate calls a run where it began: with an address for each worker, nobody goes on with the runs
   * of one that is gone. Default: http://127.0.0.1 and the port listened on.
   */
  readonly advertise?: string
  /** False: the workers are made known by other means (`restate deployments register`). */
  readonly register?: boolean
  /** Public keys (`publickeyv1_…`) of the server: requests that it has not signed are refused. */
  readonly identityKeys?: readonly string[]
  /**
   * Whether Restate's console shows the steps of a run by their names. Each then costs one small step of Restate's more, in
   * which the program asks for it; without, all go by the program's name. Default true.
   */
  readonly namesSteps?: boolean
  /** When a run's history in Restate is renewed: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number }
  /** Milliseconds that a stop waits for what is in flight; default 10,000. */
  readonly stopGraceMs?: number
}

const OPTIONS: OptionNames<RestateOptions> = {
  ingress: true,
  admin: true,
  headers: true,
  name: true,
  listen: true,
  advertise: true,
  register: true,
  identityKeys: true,
  namesSteps: true,
  rotateAfter: true,
  stopGraceMs: true,
  clock: true,
  onError: true,
}
const LISTEN: OptionNames<ListenOptions> = { host: true, port: true, reusePort: true }
const ROTATE_AFTER: OptionNames<NonNullable<RestateOptions['rotateAfter']>> = { advances: true, bytes: true }

/** BAD_INPUT for an option that nobody knows, and for one of another kind than it must be. */
export function refuseOptions(options: RestateOptions): void {
  refuseUnknown('restateEngine()', options, OPTIONS)
  refuseUnknown('listen of restateEngine()', options.listen, LISTEN)
  refuseUnknown('rotateAfter of restateEngine()', options.rotateAfter, ROTATE_AFTER)
  const of = (name: string): string => `${name} of restateEngine()`
  const { listen = {} } = options
  refuseNoAddress(of('ingress'), options.ingress)
  refuseNoAddress(of('admin'), options.admin)
  refuseNoAddress(of('advertise'), options.advertise)
  refuseNoTexts(of('headers'), options.headers)
  if (options.name !== undefined) refuseNoText(of('name'), options.name)
  if (listen.host !== undefined) refuseNoText(of('listen.host'), listen.host)
  refuseNumber(of('listen.port'), listen.port, { least: 0, most: 65_535, isWhole: true })
  refuseNoSwitch(of('listen.reusePort'), listen.reusePort)
  refuseNoSwitch(of('register'), options.register)
  refuseNoSwitch(of('namesSteps'), options.namesSteps)
  refuseNumber(of('stopGraceMs'), options.stopGraceMs, { least: 0 })
  refuseNoFunction(of('onError'), options.onError)
  refuseNoPort(of('clock'), options.clock, ['now'])
  refuseNoKeys(options.identityKeys)
}

function refuseNoAddress(what: string, given: unknown): void {
  if (given === undefined) return
  refuseNoText(what, given)
  if (/^https?:\/\//.test(given) && URL.canParse(given)) return
  throw new UsageError('BAD_INPUT', `${what} is no http address: '${given}'.`, {
    hint: "Write 'http://127.0.0.1:8080'.",
  })
}

/** With none nothing would be checked: whoever gives an empty list does not mean that. */
function refuseNoKeys(given: unknown): void {
  if (given === undefined || (Array.isArray(given) && given.length > 0 && given.every(isKey))) return
  throw new UsageError('BAD_INPUT', 'identityKeys of restateEngine() is no list of public keys, or an empty one.', {
    hint: "Write ['publickeyv1_…'], or leave it out where requests need no signature.",
  })
}

const isKey = (one: unknown): boolean => typeof one === 'string' && one.startsWith('publickeyv1_')

const DAY_MS: number = 24 * 60 * 60 * 1_000

/** A worker that is away for a week is no reason to give a run up, nor to ask an operator to resume it. */
export const NEVER: number = 2 ** 32 - 1

const RETRIES: RetryPolicy = {
  initialInterval: 50,
  exponentiationFactor: 2,
  maxInterval: 1_000,
  maxAttempts: NEVER,
  onMaxAttempts: 'pause',
}

/** Of the long handler. */
export const DRIVE_OPTIONS: ObjectOptions = {
  // The journals of earlier generations lie in its state: what is not asked for is not sent.
  enableLazyState: true,
  // A step may take as long as it likes, be it a model that thinks for an hour.
  abortTimeout: DAY_MS,
  // For the console: what the steps of a run were, after its end.
  journalRetention: DAY_MS,
  idempotencyRetention: DAY_MS,
  retryPolicy: RETRIES,
}

/** Of the short ones. */
export const COMMAND_OPTIONS: ObjectOptions = {
  enableLazyState: true,
  journalRetention: 0,
  // Until a worker has taken a signal up, its id tells a second sender that it is not the first; then the state does.
  idempotencyRetention: DAY_MS,
  retryPolicy: RETRIES,
}
