/** What a web server has of Selvage. However often this module is loaded in a process, one Selvage is open, and it works on nothing. */
import { openSelvage, type Selvage } from 'selvage'

const kept = globalThis as { selvage?: Promise<Selvage> }

export function opened(): Promise<Selvage> {
  kept.selvage ??= openSelvage({ work: false })
  return kept.selvage
}
