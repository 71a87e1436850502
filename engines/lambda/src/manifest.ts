/** What Lambda can and cannot do for runs, and which of its limits count. */
import type { Manifest } from '@selvage/core'
import { ENVELOPE_BYTES, INVOCATION_MS, PAYLOAD_BYTES } from './limits.ts'

export const MANIFEST: Manifest = {
  name: 'lambda',
  // Of a value in an entry, where there are no blobs; with them 32 KiB stay in an entry.
  limits: { entryBytes: PAYLOAD_BYTES - ENVELOPE_BYTES, sliceMs: INVOCATION_MS },
  journal: 'engine',
  // One invocation makes advance after advance, and has what is in flight with it when it dies.
  affinity: true,
  // Each attempt of a step is on record before it begins (AtMostOncePerRetry).
  countsDeliveries: true,
  // The service acknowledges a checkpoint when it is kept in several availability zones.
  survives: 'disk-loss',
  abilities: { list: true, approvals: true, attach: false, rotate: true, retry: true, outbox: false, pots: false },
}
