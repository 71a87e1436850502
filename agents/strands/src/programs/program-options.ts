/** The options of agents, graphs, swarms and sessions, read once, when the program is made. */
import {
  type Duration,
  type OptionNames,
  type Program,
  refuseNoFunction,
  refuseNoSwitch,
  refuseOther,
  toMs,
  UsageError,
} from '@selvage/core'
import { POLICY_OPTIONS, Policy, refuseOptions, type ToolPolicies } from '../policies/policy.ts'

export interface AgentOptions extends ToolPolicies {
  /** How long a run may take, waits included, from when a worker begins with it. Then it is cancelled: RUN_TIMEOUT. */
  readonly timeout?: Duration
  /** Workers take only runs of versions that they have. */
  readonly version?: string
  /**
   * What follows when a run goes on and the agent's prompt, tools or model have changed since it began. Recorded answers
   * stand either way. `continue` (default): one line says so. `stop`: the run fails with CODE_CHANGED.
   */
  readonly onCodeChange?: 'continue' | 'stop'
  /**
   * Whether the agent's own loop is relieved of what it does to all messages in each cycle: without that, long runs cost
   * the square of their cycles. Default true; `false` leaves the SDK's loop as it is. See docs/durable.md.
   */
  readonly linear?: boolean
  /** Where lines for the author go. Default: `console.warn`. */
  readonly log?: (line: string) => void
}

/** What was said, or its default. `version`, `resume` and `timeoutMs` are those of the program. */
export interface ReadyOptions
  extends Required<Pick<AgentOptions, 'onCodeChange' | 'linear' | 'log'>>,
    Pick<Program, 'version' | 'resume' | 'timeoutMs'> {
  readonly policy: Policy
}

const KNOWN: OptionNames<AgentOptions> = {
  version: true,
  timeout: true,
  ...POLICY_OPTIONS,
  onCodeChange: true,
  linear: true,
  log: true,
}

/** UsageError for options that are not built yet (UNSUPPORTED) or make no sense (BAD_INPUT). `what`: as errors name the program. */
export function readOptions(what: string, options: AgentOptions): ReadyOptions {
  refuseOptions(what, options, KNOWN)
  const { version, timeout, onCodeChange = 'continue', linear = true, log = warn } = options
  checkKinds(what, options)
  return {
    resume: 'fold',
    ...(version !== undefined && { version }),
    ...(timeout !== undefined && { timeoutMs: toMs(timeout, `timeout of ${what}`) }),
    policy: new Policy(options, true),
    onCodeChange,
    linear,
    log,
  }
}

/** BAD_INPUT for what would be taken for its default, or be found out when it is first needed. */
export function checkKinds(
  what: string,
  { onCodeChange, linear, log }: Pick<AgentOptions, 'onCodeChange' | 'linear' | 'log'>,
): void {
  refuseOther(`onCodeChange of ${what}`, onCodeChange, ['continue', 'stop'])
  refuseNoSwitch(`linear of ${what}`, linear)
  refuseNoFunction(`log of ${what}`, log)
}

/** BAD_INPUT for an agent in place of what makes one. `made`: what that gives. */
export function refuseNoFactory(what: string, factory: unknown, made: string): void {
  if (typeof factory === 'function') return
  throw new UsageError('BAD_INPUT', `${what} was given no factory.`, {
    hint: `Write () => new ${made}(…): each run has its own, made anew wherever it goes on.`,
  })
}

const TOLD = new Set<string>()
const MOST_TOLD = 1_000

/** A line that a server would say with each request is said once. */
export function warnOnce(line: string): void {
  if (TOLD.has(line)) return
  if (TOLD.size < MOST_TOLD) TOLD.add(line)
  warn(line)
}

export function warn(line: string): void {
  console.warn(`selvage: ${line}`)
}
