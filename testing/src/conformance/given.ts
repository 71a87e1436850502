import { scenario as messages } from '../crash/messages.ts'
import { scenario as nextVersion } from '../crash/next-version.ts'
import { scenario } from '../crash/order.ts'
import type { Given } from '../crash/site.ts'

/** The scenario of the sections. Child processes load the built module. */
export const ORDER: Given = { scenario, module: new URL('../../dist/crash/order.js', import.meta.url).href }

/** Its program in the next version, alone. */
export const NEXT_VERSION: Given = {
  scenario: nextVersion,
  module: new URL('../../dist/crash/next-version.js', import.meta.url).href,
}

/** For engines that have an outbox. */
export const MESSAGES: Given = {
  scenario: messages,
  module: new URL('../../dist/crash/messages.js', import.meta.url).href,
}

/**
 * Of any number of processes: what their lives cost is not what is tested, and a machine may be busy. Whoever is stuck is ended
 * long before, and named (`PATIENCE_MS` in play.ts and lives.ts).
 */
export const PATIENT_MS = 900_000
