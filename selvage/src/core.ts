/** Selvage without Strands: importing this loads no agent SDK. */
import './node-version.ts'

import { assemble, type OpenOptions } from './assemble.ts'
import { CoreSelvage } from './core-selvage.ts'

export { CoreSelvage as Selvage } from './core-selvage.ts'
export * from './exports.ts'

/**
 * Opens the database of the options (default `./.selvage/selvage.db`) for workflows and for looking at runs.
 * BAD_INPUT, UNSUPPORTED for options; READ_ONLY, SCHEMA_TOO_NEW, CORRUPT, UNAVAILABLE for a database that cannot be used.
 */
export async function openSelvage(options: OpenOptions = {}): Promise<CoreSelvage> {
  return new CoreSelvage(await assemble(options), { ...options, conversation: undefined })
}
