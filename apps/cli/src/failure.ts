import { styleText } from 'node:util'
import { SelvageError } from '@selvage/core'

/** Says on stderr what went wrong: a sentence for people, `{ error: { code, message, details } }` for programs. */
export function explain(error: unknown, json: boolean): void {
  const known = SelvageError.is(error)
  const message = error instanceof Error ? error.message : String(error)
  if (json) {
    const details = known ? { code: error.code, message, details: error.details } : { message }
    process.stderr.write(`${JSON.stringify({ error: details })}\n`)
    return
  }
  const label = styleText('red', 'selvage:', { stream: process.stderr, validateStream: true })
  // What we did not foresee needs its stack to be reported.
  const body = known || !(error instanceof Error) ? message : (error.stack ?? message)
  process.stderr.write(`${label} ${body}\n`)
}
