/**
 * The closing figures: what the journal says was done, against what was really called and what the ledger holds. A call
 * that was cut off by a kill may be made again with its key; a call whose result was recorded may not, and no effect may
 * be there twice or not at all.
 */
import type { Entry } from 'selvage'
import type { CallNote } from './call-log.ts'
import type { LedgerKind, LedgerLine } from './ledger.ts'

export interface CallFigures {
  /** Steps with a final outcome in the journal. */
  readonly recorded: number
  /** Calls that were begun. */
  readonly made: number
  /** Of these, with the key of one before that failed, or was cut off by a kill before its result was durable. */
  readonly repeated: number
  /** Of these, with the key of one whose result was durable, or whose process was not killed. Must be 0. */
  readonly wasted: number
  /** Results that nobody called for, and calls that the journal has no result of. Must be 0. */
  readonly lost: number
}

export interface EffectFigures {
  readonly recorded: number
  readonly asked: number
  readonly applied: number
  /** Asked for again with a key that the ledger knew: not applied again. */
  readonly repeated: number
  /** Must be 0. */
  readonly twice: number
  /** Recorded and not in the ledger, or there and not recorded. Must be 0. */
  readonly lost: number
}

export interface Figures {
  readonly models: CallFigures
  readonly tools: CallFigures
  readonly findings: EffectFigures
  readonly publications: EffectFigures
  /** Calls that were made past the gate. Must be 0. */
  readonly past: number
}

/** Journals by run id; calls and ledger lines in the order in which they were written. */
export interface Evidence {
  readonly journals: ReadonlyMap<string, readonly Entry[]>
  readonly calls: readonly CallNote[]
  readonly ledger: readonly LedgerLine[]
}

export function figuresOf(evidence: Evidence): Figures {
  return {
    models: callFigures(evidence, 'model'),
    tools: callFigures(evidence, 'tool'),
    findings: effectFigures(evidence, 'finding', 'record_finding'),
    publications: effectFigures(evidence, 'publication', 'publish'),
    past: begun(evidence).filter(({ call }) => call.step === undefined).length,
  }
}

function callFigures(evidence: Evidence, kind: 'model' | 'tool'): CallFigures {
  const steps = stepsOf(evidence, (entry) => entry.op.kind === kind)
  const made = begun(evidence).filter(({ call }) => call.kind === kind && call.step !== undefined)
  const first = new Map<string, CallNote>()
  const last = new Map<string, CallNote>()
  const failed = new Set(evidence.calls.filter(({ event }) => event === 'fail').map(({ call }) => callId(call)))
  let repeated = 0
  let wasted = 0
  for (const note of made) {
    const id = idOf(note.call.runId, note.call.step)
    const before = last.get(id)
    last.set(id, note)
    if (before === undefined) {
      first.set(id, note)
      continue
    }
    const isDurable = note.at > (steps.get(id)?.at ?? Number.POSITIVE_INFINITY)
    const isExcused = before.call.pid !== note.call.pid || failed.has(callId(before.call))
    if (isDurable || !isExcused) wasted++
    else repeated++
  }
  const unheard = [...first.keys()].filter((id) => !steps.has(id)).length
  const uncalled = [...steps.keys()].filter((id) => !first.has(id)).length
  return {
    recorded: steps.size,
    made: made.length,
    repeated,
    wasted,
    lost: unheard + uncalled,
  }
}

function effectFigures(evidence: Evidence, kind: LedgerKind, name: string): EffectFigures {
  const steps = stepsOf(evidence, (entry) => entry.op.name === name)
  const lines = evidence.ledger.filter((line) => line.kind === kind)
  const applied = lines.filter((line) => line.applied)
  const keys = new Set(applied.map((line) => line.key))
  const keyOf = new Map(begun(evidence).map(({ call }) => [idOf(call.runId, call.step), call.key ?? '']))
  const recorded = new Set([...steps.keys()].map((id) => keyOf.get(id) ?? id))
  const missing = [...recorded].filter((key) => !keys.has(key)).length
  const unheard = [...keys].filter((key) => !recorded.has(key)).length
  return {
    recorded: steps.size,
    asked: lines.length,
    applied: applied.length,
    repeated: lines.length - applied.length,
    twice: applied.length - keys.size,
    lost: missing + unheard,
  }
}

/** Sentences about what must not be; empty if all is well. `published`: what a person decided. */
export function problemsOf(figures: Figures, published: boolean): string[] {
  const { models, tools, findings, publications, past } = figures
  const wanted = published ? 1 : 0
  const checks: readonly (readonly [boolean, string])[] = [
    [models.recorded === 0, 'The journal has no model call.'],
    [models.wasted > 0, `${models.wasted} model calls were made again for no reason.`],
    [tools.wasted > 0, `${tools.wasted} tool calls were made again for no reason.`],
    [models.lost > 0, `${models.lost} model calls are in the journal or outside, and not in both.`],
    [tools.lost > 0, `${tools.lost} tool calls are in the journal or outside, and not in both.`],
    [findings.twice > 0, `${findings.twice} findings are in the ledger twice.`],
    [findings.lost > 0, `${findings.lost} findings are in the journal or in the ledger, and not in both.`],
    [publications.applied !== wanted, `The report was published ${publications.applied} times, not ${wanted}.`],
    [publications.asked > wanted, `Publishing was asked for ${publications.asked} times.`],
    [publications.lost > 0, 'The publication is in the journal or in the ledger, and not in both.'],
    [past > 0, `${past} calls were made past the gate.`],
  ]
  return checks.flatMap(([isWrong, sentence]) => (isWrong ? [sentence] : []))
}

type StepEntry = Extract<Entry, { readonly type: 'step' }>

/** By run and key, the last outcome of each. */
function stepsOf(evidence: Evidence, wanted: (entry: StepEntry) => boolean): Map<string, StepEntry> {
  const steps = new Map<string, StepEntry>()
  for (const [runId, entries] of evidence.journals) {
    for (const entry of entries) {
      if (entry.type === 'step' && wanted(entry)) steps.set(idOf(runId, entry.key), entry)
    }
  }
  return steps
}

function begun({ calls }: Evidence): CallNote[] {
  return calls.filter((note) => note.event === 'begin')
}

function callId({ pid, id }: CallNote['call']): string {
  return `${pid}:${id}`
}

function idOf(runId: string | undefined, step: string | undefined): string {
  return JSON.stringify([runId, step])
}
