/** What the service allows, as its documentation gave it in November 2026. Local runners enforce none of it, so we do. */

/** Bytes of a step's result, of a callback's and of what an asynchronous invocation is given: 256 KB. */
export const PAYLOAD_BYTES: number = 256 * 1024

/** What our own wrapping adds to a value, at most: marks, names, times. */
export const ENVELOPE_BYTES: number = 8 * 1024

/** Operations of one execution: 30,000. */
export const OPERATIONS = 30_000

/** One invocation: 15 minutes. */
export const INVOCATION_MS: number = 15 * 60 * 1_000

/** One wait: a year of 366 days, in seconds. */
export const WAIT_SECONDS: number = 366 * 24 * 60 * 60

/** Waits are whole seconds, and at least one. */
export function wholeSeconds(ms: number): number {
  return Math.min(WAIT_SECONDS, Math.max(1, Math.ceil(ms / 1_000)))
}

/** Names of operations: 1–256 printable characters of ASCII. */
export function operationName(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 256) || '-'
}
