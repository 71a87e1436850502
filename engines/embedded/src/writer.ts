/**
 * Appends to the journal of a claimed run. Where the answer to an append was lost nobody knows whether it stands; the host
 * begins the next one with the same entries. What of them the journal holds by then is ours, as nobody else has the fence,
 * and what follows them is written behind: else the run would be taken up anew, with steps in flight beside it.
 */
import {
  type Claim,
  canonical,
  type Durability,
  type Entry,
  isInfrastructure,
  type Json,
  SelvageError,
  type Store,
} from '@selvage/core'

export class Writer {
  private readonly store: Store
  private readonly claim: Claim
  private isInDoubt = false

  constructor(store: Store, claim: Claim) {
    this.store = store
    this.claim = claim
  }

  append(at: number, entries: readonly Entry[], durability?: Durability): Promise<void> {
    const { runId, fence } = this.claim
    const appending = this.store.append(runId, fence, at, entries, durability)
    return appending.catch((error: unknown) => this.resolveDoubt(error, at, entries, durability))
  }

  private async resolveDoubt(
    error: unknown,
    at: number,
    entries: readonly Entry[],
    durability: Durability | undefined,
  ): Promise<void> {
    const wasInDoubt = this.isInDoubt
    this.isInDoubt = isInfrastructure(error)
    if (!wasInDoubt || !SelvageError.is(error, 'JOURNAL_GAP')) throw error
    const held = await this.store.load(this.claim.runId, at)
    const areOurs = held.every((entry, index) => isSame(entry, entries[index]))
    if (held.length === 0 || !areOurs) throw error
    this.isInDoubt = false
    const rest = entries.slice(held.length)
    if (rest.length > 0) await this.append(at + held.length, rest, durability)
  }
}

function isSame(held: Entry, entry: Entry | undefined): boolean {
  return entry !== undefined && canonical(held as unknown as Json) === canonical(entry as unknown as Json)
}
