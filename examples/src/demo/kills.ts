/** Where the worker is killed: each place once, recognised from outside by what the worker calls and what the journal has. */
import type { RunEvent } from 'selvage'
import type { Call, CallNote } from './call-log.ts'

/** Something that just happened, and the calls that are in flight at this moment. */
export type Moment = { readonly inFlight: readonly Call[] } & (
  | { readonly type: 'call'; readonly note: CallNote }
  | { readonly type: 'journal'; readonly event: RunEvent }
)

/** What was hit, for people; undefined where this is not the place. */
type Place = (moment: Moment) => string | undefined

/** A model has said its first words and is about to go on. It knows the results of its tools: there is something to lose. */
const duringModelCall: Place = (moment) => {
  if (moment.type !== 'call' || moment.note.event !== 'progress') return undefined
  const { call } = moment.note
  if (call.step?.endsWith('model#1')) return undefined
  return `in the middle of a model call: ${call.name} had begun to write`
}

const FEW = 3

/** Some of several parallel reads are recorded, the last few are still reading. */
const insideParallelTools: Place = (moment) => {
  if (moment.type !== 'journal') return undefined
  const { event, inFlight } = moment
  if (event.type !== 'stepCompleted' || event.kind !== 'tool' || event.name !== 'read_document') return undefined
  const cut = inFlight.filter((call) => call.name === event.name)
  if (cut.length === 0 || cut.length > FEW) return undefined
  return `inside parallel tools: ${cut.length} of the read_document calls had not returned`
}

/** The ledger has a finding, and nobody here knows it yet. */
const behindAnEffect: Place = (moment) => {
  if (moment.type !== 'call' || moment.note.event !== 'applied' || moment.note.call.kind !== 'tool') return undefined
  return `behind an effect: the ledger had taken ${moment.note.call.detail}, record_finding had not returned`
}

const whileAPersonIsAsked: Place = (moment) => {
  if (moment.type !== 'journal' || moment.event.type !== 'questionOpened') return undefined
  return 'while the run waits for a person'
}

const insidePublishing: Place = (moment) => {
  if (moment.type !== 'call' || moment.note.event !== 'applied' || moment.note.call.kind !== 'publish') return undefined
  return 'inside an effect once: the report was out, the publish step had not returned'
}

export class Kills {
  readonly #left: Set<Place> = new Set([
    duringModelCall,
    insideParallelTools,
    behindAnEffect,
    whileAPersonIsAsked,
    insidePublishing,
  ])

  /** Whether this is a place where nobody has been killed yet; if so, it is used up. */
  hits(moment: Moment): string | undefined {
    for (const place of this.#left) {
      const where = place(moment)
      if (where === undefined) continue
      this.#left.delete(place)
      return where
    }
    return undefined
  }
}
