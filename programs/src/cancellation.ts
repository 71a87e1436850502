import type { Durable } from '@selvage/core'
import { CancelledError } from '@selvage/core'

/** Whether the run was cancelled. Its abortSignal also fires when another worker has it, and then nothing of it matters here. */
export function isCancelled(durable: Durable): boolean {
  return durable.abortSignal.aborted && durable.abortSignal.reason instanceof CancelledError
}

/** Resolves with a cancel, and never otherwise. */
export function whenCancelled(durable: Durable): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (isCancelled(durable)) resolve()
    }
    durable.abortSignal.addEventListener('abort', check, { once: true })
    check()
  })
}
