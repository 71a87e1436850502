/** Makes a run of the journal of another one. What is copied, and what is left out, is core's to say (`planFork`). */
import { type Fork, hashJson, planFork, type Runtime, type Start, type Store, UsageError } from '@selvage/core'

export async function forkRun(store: Store, runtime: Runtime, runId: string, fork: Fork): Promise<void> {
  const { start } = await store.describe(runId)
  const entries = await store.load(runId, 0)
  if (start.forkedFrom !== undefined) throw isFork(runId, start.forkedFrom.runId)
  const salt = runtime.random(16)
  const plan = planFork(runtime, { runId, entries }, fork.at, { runId: fork.runId, salt })
  const [first] = entries
  const origin = first?.type === 'start' ? first.salt : ''
  // A child is its parent's; a time by which the original was to end says nothing of the fork.
  const { parent: _, deadline: __, ...kept } = start
  const made: Start = {
    ...kept,
    ...(fork.version !== undefined && { version: fork.version }),
    ...(fork.input !== undefined && { input: fork.input }),
    tags: { ...start.tags, forkedFrom: runId },
    forkedFrom: { runId, at: plan.at, entries: plan.inherited, salt: origin, effects: fork.effects },
  }
  await store.create({
    runId: fork.runId,
    start: made,
    salt,
    inputHash: hashJson(runtime, [made.input, runId, plan.at, fork.effects] as never),
    at: runtime.clock.now(),
    entries: plan.entries,
  })
}

const isFork = (runId: string, original: string): UsageError =>
  new UsageError('UNSUPPORTED', `Run ${runId} is a fork itself, of ${original}: a fork of a fork is not built yet.`, {
    hint: `Fork run ${original}, or start a new run.`,
    details: { runId, original },
  })
