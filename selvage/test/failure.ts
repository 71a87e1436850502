import { SelvageError } from '@selvage/core'

/** Why a run failed; rejects if it did not, or for no reason of ours. */
export async function failureOf(run: { result(): Promise<unknown> }): Promise<SelvageError> {
  const error: unknown = await run.result().then(
    () => new Error('the run did not fail'),
    (thrown: unknown) => thrown,
  )
  if (!SelvageError.is(error, 'RUN_FAILED') || !SelvageError.is(error.cause)) throw error
  return error.cause
}
