/** What DBOS can and cannot do for runs. */
import type { Manifest } from '@selvage/core'

export const MANIFEST: Manifest = {
  name: 'dbos',
  // PostgreSQL takes a gigabyte; a step of that size is written and read whole.
  limits: { entryBytes: 64 * 1024 * 1024 },
  journal: 'engine',
  // A workflow stays in its process until that one is gone, or the run waits for long.
  affinity: true,
  // Only attempts that may have had one before them are counted: a lower bound, enough for rule 9.
  countsDeliveries: false,
  // PostgreSQL commits with fsync.
  survives: 'machine-crash',
  // Neither an outbox nor pots.
  abilities: { list: true, approvals: true, attach: false, rotate: true, fork: true, retry: true },
}
