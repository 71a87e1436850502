import type { Durable } from '@selvage/core'

/** Names with `$` belong to Selvage: nobody can send this one. */
const NEVER_SENT = '$never'

/** A wait that is only over by time, at `until` (epoch milliseconds). */
export async function sleepUntil(durable: Durable, key: string, until: number): Promise<void> {
  await durable.wait(key, NEVER_SENT, until)
}
