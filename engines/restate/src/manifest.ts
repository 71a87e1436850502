/** What Restate can and cannot do for runs, and which of its limits count: those of a server as it is configured by default. */
import type { Manifest } from '@selvage/core'

export const MANIFEST: Manifest = {
  name: 'restate',
  // `message-size-limit` and `request-size-limit` of the server: 32 MiB. Half of it, since what is sent is JSON in JSON.
  limits: { entryBytes: 16 * 1024 * 1024 },
  journal: 'engine',
  // An attempt of a handler stays in its process; one that is cut off joins what is in flight where it comes again.
  affinity: true,
  // The server counts in memory only. What is handed to the host is a lower bound, kept in the inbox: enough for rule 9.
  countsDeliveries: false,
  // Where no worker was ever registered the server knows no such object.
  workersFirst: true,
  // Its log is written with fsync before it acknowledges.
  survives: 'machine-crash',
  abilities: { list: true, approvals: true, attach: false, rotate: true, retry: true, outbox: false, pots: false },
}
