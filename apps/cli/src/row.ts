/** A row of the timeline of a run. `selvage show --json` hands it out as it is. */
import type { OpKind } from '@selvage/core'

export type RowState =
  | 'started'
  | 'executed'
  | 'recovered'
  | 'reconciled'
  | 'retrying'
  | 'failed'
  | 'unknown'
  | 'asked'
  | 'intended'
  | 'waiting'
  | 'answered'
  | 'expired'
  | 'reminded'
  | 'received'
  | 'retried'
  | 'undoing'
  | 'completed'
  | 'cancelled'
  | 'claimed'

export interface Row {
  readonly seq: number
  /** Epoch milliseconds at which it was first heard of. */
  readonly at: number
  readonly what: 'run' | 'step' | 'wait' | 'signal' | 'worker'
  readonly key: string
  /** Of a step or a question: a tool, a workflow's step, what is to be approved. */
  readonly name?: string
  readonly kind?: OpKind
  readonly state: RowState
  /** How often it was tried. */
  readonly attempts?: number
  /** Milliseconds: of the last attempt, or of the whole wait. */
  readonly tookMs?: number
  readonly detail?: string
  /** The processes that meant to do it, where that was recorded. */
  readonly hosts?: readonly string[]
  /** The worker that recorded how it ended; of a worker's own row that worker. */
  readonly worker?: Worker
  /** Of a takeover: the dead worker, with its process where that is still known. */
  readonly recoveredFrom?: Partial<Worker> & Pick<Worker, 'id'>
}

export interface Worker {
  readonly id: string
  readonly pid: number
  readonly host: string
}
