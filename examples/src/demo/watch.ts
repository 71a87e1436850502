/** Follows a run and its children by their journals, from a process that works on none of them. */
import type { RunEvent, Selvage } from 'selvage'

export type Seen = { readonly runId: string; readonly event: RunEvent }

/** Calls back with everything that is recorded; resolves when all of it has ended. */
export async function watch(
  selvage: Selvage,
  runId: string,
  onEvent: (seen: Seen) => void,
  abortSignal: AbortSignal,
): Promise<void> {
  const children: Promise<void>[] = []
  for await (const event of selvage.run(runId).events({ abortSignal })) {
    onEvent({ runId, event })
    if (event.type === 'stepCompleted' && event.kind === 'child') {
      const child = `${runId}/${event.step.slice('child:'.length)}`
      children.push(watch(selvage, child, onEvent, abortSignal))
    }
  }
  await Promise.all(children)
}
