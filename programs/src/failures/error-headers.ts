/** The HTTP headers that came with an error, wherever its library put them, and how long they ask to wait. */
type Bag = { readonly [property: string]: unknown }

/** Where libraries keep the headers of an answer that was an error. */
function bagsOf(error: Bag): unknown[] {
  const of = (value: unknown): unknown =>
    typeof value === 'object' && value !== null ? (value as Bag).headers : undefined
  return [error.headers, error.responseHeaders, of(error.response), of(error.$response)]
}

/** A header of one error, whatever its spelling. Headers may be a `Headers`, a `Map` or an object. */
export function headerOf(error: Bag, name: string): string | undefined {
  for (const bag of bagsOf(error)) {
    if (typeof bag !== 'object' || bag === null) continue
    const entries: Iterable<readonly [unknown, unknown]> =
      Symbol.iterator in bag ? (bag as Iterable<readonly [unknown, unknown]>) : Object.entries(bag)
    for (const [key, value] of entries) {
      if (String(key).toLowerCase() !== name) continue
      const first: unknown = Array.isArray(value) ? value[0] : value
      if (typeof first === 'string' || typeof first === 'number') return String(first)
    }
  }
  return undefined
}

/**
 * How many milliseconds from `now` (epoch ms) a server asked to wait: `retry-after-ms`, or `retry-after` in seconds or
 * as an HTTP date (RFC 9110, 10.2.3). Of the first error of the chain that says so; undefined if none does.
 */
export function retryAfterOf(chain: readonly Bag[], now: number): number | undefined {
  for (const link of chain) {
    const ms = Number.parseFloat(headerOf(link, 'retry-after-ms') ?? '')
    if (ms >= 0) return ms
    const asked = headerOf(link, 'retry-after')
    if (asked === undefined) continue
    const seconds = Number(asked)
    const until = Number.isNaN(seconds) ? Date.parse(asked) - now : seconds * 1_000
    if (Number.isFinite(until)) return Math.max(0, until)
  }
  return undefined
}
