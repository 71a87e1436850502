/**
 * What an entry keeps of the HTTP answer that came with an error: its status, and the headers by which it is told whether
 * to try again and whom to ask. No other header: some are secrets.
 */
const KEPT = ['retry-after', 'retry-after-ms', 'x-should-retry', 'request-id', 'x-request-id', 'x-amzn-requestid']

/** A `Headers` or `Response` of fetch as a plain object; anything else as it is. */
export function plainAnswer(value: unknown): unknown {
  switch (Object.prototype.toString.call(value)) {
    case '[object Headers]':
      return plainHeaders(value as Iterable<readonly [string, string]>)
    case '[object Response]': {
      const { status, headers } = value as { status: number; headers: Iterable<readonly [string, string]> }
      return { status, headers: plainHeaders(headers) }
    }
    default:
      return value
  }
}

function plainHeaders(headers: Iterable<readonly [string, string]>): { [name: string]: string } {
  return Object.fromEntries([...headers].filter(([name]) => KEPT.includes(name)))
}
