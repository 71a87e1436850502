/** Makes a run of the journal of another one. What is copied, and what is left out, is core's to say (`forkedRun`). */
import { type Fork, forkedRun, hashJson, type Runtime, type Store } from '@selvage/core'

export async function forkRun(store: Store, runtime: Runtime, runId: string, fork: Fork): Promise<void> {
  const { start } = await store.describe(runId)
  const made = forkedRun(runtime, { runId, start, entries: await store.load(runId, 0) }, fork)
  await store.create({
    runId: fork.runId,
    start: made.start,
    salt: made.salt,
    inputHash: hashJson(runtime, [made.start.input, runId, made.at, fork.effects] as never),
    at: runtime.clock.now(),
    entries: made.entries,
  })
}
