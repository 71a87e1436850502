import { backUp } from 'selvage/core'
import { createOutput } from '../output.ts'
import { type GlobalOptions, location } from '../session.ts'
import { bytes } from '../words.ts'

/** `selvage backup <file>`: a copy of the database at one moment, beside programs that are at work on it. */
export async function backup(file: string, options: GlobalOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const copy = await backUp({ ...location(options), to: file })
  if (output.json) output.document(copy)
  else output.line(`Copied to ${copy.path}, ${bytes(copy.bytes)}.`)
}
