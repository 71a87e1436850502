/**
 * The gate of a forked run: no effect of the original is repeated silently.
 *
 *   in the prefix                        ─▶ its record stands
 *   a model call, a read                 ─▶ made
 *   reuse    the original did the same   ─▶ its result, and nothing is done
 *            nobody knows if it did      ─▶ a person is asked
 *            it did not                  ─▶ made
 *   ask                                  ─▶ a person is asked, then made
 *   dry-run                              ─▶ not made: a marked result
 *
 * Compensations undo what the fork has made itself; they are effects of nobody's choice and pass.
 */
import type { Durable, ForkEffects, ForkPolicy, ForkView, Json, Op, PastStep, StepBehaviour } from '@selvage/core'
import { encode, StepError } from '@selvage/core'
import { requestApproval } from './people/approval.ts'
import { withParts } from './with-parts.ts'

/** What a step of a dry run results in, and a tool tells its model, unless it declares a result of its own. */
export interface DryRun {
  readonly dryRun: true
  readonly step: string
  readonly name: string
}

/** The gate itself where the run is no fork. */
export function forked(durable: Durable): Durable {
  const { fork } = durable
  if (fork === undefined) return durable
  return withParts(durable, {
    step: async (op, live, behaviour) => {
      if (!mayRepeat(durable, fork, op)) return await durable.step(op, live, behaviour)
      const policy = policyOf(fork.effects, op)
      const past = policy === 'reuse' ? fork.find(op) : undefined
      if (policy === 'dry-run') return await instead(durable, op, () => dryResult(op))
      if (past !== undefined && past.unknown === undefined) return await reused(durable, fork, op, past, behaviour)
      if (past !== undefined || policy === 'ask') await asked(durable, fork, op, past)
      return await durable.step(op, live, behaviour)
    },
    transaction: async (op, body, behaviour) => {
      if (!mayRepeat(durable, fork, op)) return await durable.transaction(op, body, behaviour)
      const policy = policyOf(fork.effects, op)
      const past = policy === 'reuse' ? fork.find(op) : undefined
      if (policy === 'dry-run') return await instead(durable, op, () => dryResult(op))
      if (past !== undefined) return await reused(durable, fork, op, past)
      if (policy === 'ask') await asked(durable, fork, op, past)
      return await durable.transaction(op, body, behaviour)
    },
  })
}

/** Read from what a run was started with: UsageError BAD_INPUT is the caller's. */
export function isForkPolicy(value: unknown): value is ForkPolicy {
  return value === 'reuse' || value === 'dry-run' || value === 'ask'
}

function mayRepeat(durable: Durable, fork: ForkView, { key, kind, effect }: Op): boolean {
  if (kind === 'model' || fork.inherited.has(key) || durable.current() !== undefined) return false
  if (/\/(?:retry#\d+|cancel)$/.test(key)) return false
  return effect !== 'read' || key.startsWith('send:')
}

function policyOf(effects: ForkEffects, { key, name }: Op): ForkPolicy {
  if (typeof effects === 'string') return effects
  return effects[key] ?? effects[name] ?? effects['*'] ?? 'reuse'
}

/** The result of the original, as that of this step. */
async function reused<T>(
  durable: Durable,
  fork: ForkView,
  op: Op,
  past: PastStep,
  { settled }: StepBehaviour<T> = {},
): Promise<T> {
  const result = async (): Promise<unknown> => {
    const [key, patch] = fork.reuse(op.key, past)
    void durable.state(key, patch)
    return await past.read()
  }
  return await instead(durable, op, result, settled)
}

/** Nothing acts: no intent is needed, whatever the effect is. */
async function instead<T>(
  durable: Durable,
  op: Op,
  result: () => unknown,
  settled?: StepBehaviour<T>['settled'],
): Promise<T> {
  const made: Op = op.effect === 'once' ? { ...op, effect: 'idempotent' } : op
  const told = { ...(settled !== undefined && { settled }) }
  if (op.kind !== 'child') return (await durable.step<unknown>(made, async () => await result(), told)) as T
  // Who waits for a child is told of its end by a signal.
  return (await durable.step<unknown>(made, async () => {
    const id = `child:${durable.runId}/${op.key.slice('child:'.length)}`
    const payload = { ok: encode(await result(), `the result of ${op.key}`) }
    await durable.outbound.signal(durable.runId, { id, name: id, payload })
  })) as T
}

function dryResult(op: Op): unknown {
  if (op.kind !== 'tool') return { dryRun: true, step: op.key, name: op.name } satisfies DryRun
  return { content: [{ text: `Dry run: ${op.name} was not called. Go on as if it had been.` }] }
}

async function asked(durable: Durable, fork: ForkView, op: Op, past: PastStep | undefined): Promise<void> {
  const { runId, at } = fork.of
  const details = {
    forkedFrom: { runId, at },
    step: op.key,
    original:
      past === undefined ? 'it is not known to have done this' : (past.unknown ?? 'it has done this: see its journal'),
  }
  const answer = await requestApproval(durable, `fork:${op.key}`, op.name, {
    details,
    ...(op.kind === 'tool' && { tool: op.name }),
    ...(op.input !== undefined && { input: op.input as Json }),
  })
  if (answer.approved) return
  throw new StepError('STEP_FAILED', `"${op.name}" was not made in this fork: ${answer.reason}`, {
    details: { runId: durable.runId, step: op.key, attempt: 1 },
  })
}
