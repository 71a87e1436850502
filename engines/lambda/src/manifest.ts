/** What Lambda can and cannot do for runs, and which of its limits count. */
import type { Manifest } from '@selvage/core'
import { ENVELOPE_BYTES, INVOCATION_MS, PAYLOAD_BYTES } from './limits.ts'

const DAY_MS: number = 24 * 60 * 60 * 1_000

export function manifestFor(retentionDays: number): Manifest {
  return {
    name: 'lambda',
    // Of a value in an entry, where there are no blobs; with them 32 KiB stay in an entry.
    limits: { entryBytes: PAYLOAD_BYTES - ENVELOPE_BYTES, sliceMs: INVOCATION_MS },
    journal: 'engine',
    // One invocation makes advance after advance, and has what is in flight with it when it dies.
    affinity: true,
    // Each attempt of a step is on record before it begins (AtMostOncePerRetry).
    countsDeliveries: true,
    // Of executions that are over: `DurableConfig.RetentionPeriodInDays`.
    retentionMs: retentionDays * DAY_MS,
    // The service acknowledges a checkpoint when it is kept in several availability zones.
    survives: 'disk-loss',
    abilities: { list: true, approvals: true, attach: false, rotate: true, retry: true, outbox: false, pots: false },
  }
}
