/**
 * The contract of stores: what the embedded engine counts on, whatever the database. One call in a test file of the store:
 *
 *     storeContract(() => place())
 */
import { describe } from 'vitest'
import { entries } from './entries.ts'
import { holders } from './holders.ts'
import { inbox } from './inbox.ts'
import { outbox } from './outbox.ts'
import type { StorePlace } from './place.ts'
import { pots } from './pots.ts'
import { queries } from './queries.ts'
import { questions } from './questions.ts'
import { runs } from './runs.ts'
import { unknown } from './unknown.ts'
import { workers } from './workers.ts'

export {
  type Child,
  claimed,
  end,
  enlisted,
  LEASE_MS,
  newRun,
  P,
  type StorePlace,
  spawnChild,
  step,
  whenSeen,
} from './place.ts'

const SECTIONS = { runs, workers, inbox, questions, queries, entries, holders, outbox, pots, unknown }

/** Registers its tests; each has a place of its own. */
export function storeContract(place: () => StorePlace): void {
  for (const [title, register] of Object.entries(SECTIONS)) describe(title, () => register(place))
}
