/** Forking a run: what the caller gives, checked. */
import {
  encode,
  type Fork,
  type ForkEffects,
  type ForkPolicy,
  type OptionNames,
  type RunDescription,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import { isForkPolicy } from '@selvage/programs'

export interface ForkOptions {
  /**
   * Where the new run leaves the original: how many of its entries come before, or the key of the step that comes first.
   * Default: all of it, as after a retry; of a run that was undone all before the first step that was.
   */
  readonly at?: number | string
  /**
   * What becomes of an effect that the original has had: `reuse` (default) takes its recorded result, `ask` asks a person
   * first, `dry-run` does not act. For all, or by the key or name of a step or tool, with `*` for all others.
   */
  readonly effects?: ForkEffects
  /** Default: that of the original. */
  readonly input?: unknown
  /** Default: a random one. */
  readonly runId?: string
  /** Of the program. Default: that of the original. A workflow of another version replays the prefix. */
  readonly version?: string
}

const OPTIONS: OptionNames<ForkOptions> = { at: true, effects: true, input: true, runId: true, version: true }

export function readFork(original: RunDescription, options: ForkOptions, randomId: string): Fork {
  refuseUnknown(`A fork of run ${original.id}`, options, OPTIONS, { runId: original.id })
  const { at, effects = 'reuse', input, runId = randomId, version } = options
  if (typeof runId !== 'string' || runId === '')
    throw bad(original.id, 'needs a runId', 'Leave it out for a random one.')
  if (runId === original.id) throw bad(runId, 'has the id of the original', 'Give it an id of its own.')
  if (at !== undefined && typeof at !== 'number' && typeof at !== 'string') {
    throw bad(original.id, `is at ${JSON.stringify(at)}`, 'Give the number of an entry, or the key of a step.')
  }
  for (const policy of typeof effects === 'string' ? [effects] : policiesOf(original.id, effects)) {
    if (!isForkPolicy(policy))
      throw bad(original.id, `has effects: ${JSON.stringify(policy)}`, 'Use reuse, dry-run or ask.')
  }
  return {
    runId,
    effects,
    ...(at !== undefined && { at }),
    ...(input !== undefined && { input: encode(input, `the input of a fork of run ${original.id}`) }),
    ...(version !== undefined && { version }),
  }
}

function policiesOf(id: string, effects: { readonly [name: string]: ForkPolicy }): readonly unknown[] {
  if (typeof effects === 'object' && effects !== null) return Object.values(effects)
  throw bad(id, `has effects: ${String(effects)}`, 'Use reuse, dry-run or ask, or one of them for each step or tool.')
}

function bad(id: string, what: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', `A fork of run ${id} ${what}.`, { hint, details: { runId: id } })
}
