/** What the embedded engine can and cannot do. Most of it is the store's. */
import type { Manifest, Store } from '@selvage/core'

export function embeddedManifest(store: Store): Manifest {
  return {
    name: 'embedded',
    limits: {},
    journal: 'store',
    // A suspended run belongs to nobody: whichever worker is first takes it up again.
    affinity: false,
    countsDeliveries: true,
    survives: store.survives,
    abilities: {
      list: true,
      approvals: true,
      attach: true,
      rotate: false,
      fork: true,
      retry: true,
      leavesOpen: true,
      outbox: store.outbox !== undefined,
      pots: store.pots !== undefined,
      transaction: store.transact !== undefined,
    },
  }
}
