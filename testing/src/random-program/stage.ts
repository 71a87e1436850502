/** Where random programs are played: an engine with its hosts, and what can be seen of it from outside. */
import type { Blobs, Engine, Entry, Manifest, Outcome, Runtime } from '@selvage/core'

export interface Stage {
  readonly engine: Pick<Engine, 'start' | 'signal' | 'cancel' | 'describe'>
  readonly manifest: Pick<Manifest, 'journal' | 'affinity' | 'countsDeliveries'>
  readonly runtime: Runtime
  readonly blobs: Blobs
  readonly offloadBytes: number
  /** Breaches of the protocol, where the engine looks out for them. */
  readonly violations: readonly string[]
  ended(runId: string): Promise<Outcome>
  /** Everything that is durable. */
  entries(runId: string): readonly Entry[]
  /** Lengths of the journal at which a delivery was lost or a process died. */
  harmed(runId: string): readonly number[]
  /** How long a cancelled run may still undo what it did: milliseconds. */
  readonly cancelGraceMs: number
  /** Lets time go by. */
  pass(turns: number): Promise<void>
  /** Ends everything; resolves when nothing is in progress. */
  close(): Promise<void>
}
