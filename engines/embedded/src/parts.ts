/** What the parts of one engine share. */
import type { Runtime, Store } from '@selvage/core'
import type { Bell } from './bell.ts'
import type { Changes } from './changes.ts'
import type { Leases } from './leases.ts'
import type { Reporter } from './report.ts'

export interface Parts {
  readonly store: Store
  readonly runtime: Runtime
  readonly leaseMs: number
  /** How long a stop waits for the next durable point of what is in flight. Real time: it bounds how long a process takes to exit. */
  readonly stopGraceMs: number
  readonly bell: Bell
  readonly leases: Leases
  readonly changes: Changes
  readonly report: Reporter
  /** This process has committed messages for the outbox. */
  readonly sent: () => void
}
