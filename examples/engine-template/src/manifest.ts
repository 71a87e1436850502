import type { Manifest } from '@selvage/core'

/** What this engine can and cannot do. The kit believes it: what is denied here is skipped, what is claimed is tested. */
export const MANIFEST: Manifest = {
  name: 'memory',
  limits: {},
  // Entries come back in the replies of the host, and are kept here.
  journal: 'engine',
  // The next advance comes to the process that has the program in memory, as long as it works.
  affinity: true,
  countsDeliveries: true,
  // Everything is in memory. The kit kills no process of such an engine: say 'process' and it will.
  survives: 'nothing',
  abilities: { list: false, approvals: false, attach: false, rotate: false },
}
