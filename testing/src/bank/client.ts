/** What a program has of the bank: requests over HTTP, and nothing else. */
import type { Asked, Deed } from './ledger.ts'
import type { Receipt } from './server.ts'

export interface ActOptions {
  /** Sent as `Idempotency-Key`. */
  readonly key?: string
  readonly abortSignal?: AbortSignal
}

/** A bank that answered, but not with 2xx. `status` and `headers` are where HTTP clients have them. */
export class BankError extends Error {
  readonly status: number
  readonly headers: { readonly [name: string]: string }

  constructor(deed: Deed, status: number, headers: { readonly [name: string]: string }, said: string) {
    super(`The bank answered a ${deed} with ${status}: ${said}`)
    this.name = 'BankError'
    this.status = status
    this.headers = headers
  }
}

export interface BankClient {
  act(deed: Deed, asked: Asked, options?: ActOptions): Promise<Receipt>
  /** What was done for that order, or under that key. */
  find(deed: Deed, by: { readonly order?: string; readonly key?: string }): Promise<readonly Receipt[]>
}

export function bankClient(url: string): BankClient {
  return {
    async act(deed, asked, { key, abortSignal } = {}) {
      const response = await fetch(`${url}/${deed}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) },
        body: JSON.stringify(asked),
        ...(abortSignal !== undefined && { signal: abortSignal }),
      })
      return (await answerOf(deed, response)) as Receipt
    },
    async find(deed, by) {
      const response = await fetch(`${url}/${deed}?${new URLSearchParams({ ...by })}`)
      return (await answerOf(deed, response)) as readonly Receipt[]
    },
  }
}

async function answerOf(deed: Deed, response: Response): Promise<unknown> {
  if (response.ok) return response.json()
  throw new BankError(deed, response.status, Object.fromEntries(response.headers), await response.text())
}
