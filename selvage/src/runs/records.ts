/**
 * Reading journals from outside a run: entries as they were recorded, with the values that went to blobs put back.
 */
import type { Blobs, Engine, Entry, Json, Offload, Op, Outcome, Runtime, Signal } from '@selvage/core'
import { createOffload } from '@selvage/core'

const PAGE = 1_000

export interface Records {
  /** At most `limit` entries from `from` on. */
  load(runId: string, from: number, limit: number): Promise<readonly Entry[]>
  /** From `from` to the end of what is recorded now. */
  all(runId: string, from?: number): Promise<readonly Entry[]>
  outcome(outcome: Outcome): Promise<Outcome>
  value(json: Json): Promise<Json>
}

export function createRecords(engine: Engine, runtime: Runtime, blobs: Blobs | undefined): Records {
  const offload = createOffload({ runtime, blobs })
  const load = async (runId: string, from: number, limit: number): Promise<readonly Entry[]> =>
    Promise.all((await engine.journal(runId, from, limit)).map((entry) => whole(offload, entry)))
  return {
    load,
    async all(runId, from = 0) {
      const entries: Entry[] = []
      for (;;) {
        const page = await load(runId, from + entries.length, PAGE)
        entries.push(...page)
        if (page.length < PAGE) return entries
      }
    },
    outcome: (outcome) => wholeOutcome(offload, outcome),
    value: async (json) => offload.unpack(json),
  }
}

async function whole(offload: Offload, entry: Entry): Promise<Entry> {
  switch (entry.type) {
    case 'start':
      return { ...entry, start: { ...entry.start, input: await offload.unpack(entry.start.input) } }
    case 'intent':
    case 'retry':
      return { ...entry, op: await wholeOp(offload, entry.op) }
    case 'step': {
      const op = await wholeOp(offload, entry.op)
      const outcome = entry.outcome
      return 'ok' in outcome ? { ...entry, op, outcome: { ok: await offload.unpack(outcome.ok) } } : { ...entry, op }
    }
    case 'signal':
      return { ...entry, signal: { ...entry.signal, payload: await wholePayload(offload, entry.signal) } }
    case 'end':
      return { ...entry, outcome: await wholeOutcome(offload, entry.outcome) }
    default:
      return entry
  }
}

/** The result of a child is packed inside the outcome that its signal brings. */
async function wholePayload(offload: Offload, { name, payload }: Signal): Promise<Json> {
  const whole = await offload.unpack(payload)
  if (!name.startsWith('child:') || typeof whole !== 'object' || whole === null || !('ok' in whole)) return whole
  return { ok: await offload.unpack(whole.ok) }
}

async function wholeOp(offload: Offload, op: Op): Promise<Op> {
  return op.input === undefined ? op : { ...op, input: await offload.unpack(op.input) }
}

async function wholeOutcome(offload: Offload, outcome: Outcome): Promise<Outcome> {
  return 'ok' in outcome ? { ok: await offload.unpack(outcome.ok) } : outcome
}
