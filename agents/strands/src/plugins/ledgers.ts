/**
 * The ledgers of steering handlers, in a process that goes on with a run.
 *
 * A ledger notes each call of a tool by hooks, and shows them to a model that judges the next one. Hooks of earlier cycles do
 * not fire again, so a new process puts in their calls from the journal: what was asked for, and the results as the agent had
 * added them, those of calls that a hook has cancelled included. Hooks of the cycle under way do fire again. A ledger that has
 * heard of a call in this process is left alone.
 *
 * Of a call without a step (it was cancelled) the journal has no time of its own: it gets that of the call before it.
 */
import type { Entry } from '@selvage/core'
import type { Agent, Message } from '@strands-agents/sdk'
import { calledBy } from '../conversation/keys.ts'
import { type Ledger, type LedgerCall, ledgersOf } from '../seams/interventions.ts'
import { localKey } from '../turns/frames.ts'

export function hasLedger(agent: Agent): boolean {
  return ledgersOf(agent).length > 0
}

/** The last call that we have put into a ledger. */
const lastOf = new WeakMap<Ledger, LedgerCall | undefined>()

/** `added`: in that order, all messages that were since this was called before. `entries`: of their scope. */
export function noteAgain(agent: Agent, added: readonly Message[], entries: readonly Entry[]): void {
  const ledgers = ledgersOf(agent).filter((ledger) => ledger._toolCalls.at(-1) === lastOf.get(ledger))
  if (ledgers.length === 0 || added.length === 0) return
  for (const ledger of ledgers) {
    ledger._toolCalls.push(...callsIn(added, entries))
    ledger._toolCalls.splice(0, ledger._toolCalls.length - ledger._maxEntries)
    lastOf.set(ledger, ledger._toolCalls.at(-1))
  }
}

/** The calls whose results are among these messages. */
function callsIn(added: readonly Message[], entries: readonly Entry[]): LedgerCall[] {
  const times = timesIn(entries)
  let now: Time = { from: entries[0]?.at ?? 0, to: entries[0]?.at ?? 0 }
  const calls: LedgerCall[] = []
  for (const { content } of added) {
    for (const block of content) {
      if (block.type === 'toolUseBlock') {
        const { toolUseId: id, name, input: args } = block
        now = times.get(id)?.shift() ?? now
        calls.push({ startTime: textOf(now.from), id, name, args, status: 'pending', endTime: textOf(now.to) })
      } else if (block.type === 'toolResultBlock') {
        const call = calls.findLast(({ id }) => id === block.toolUseId)
        if (call === undefined) continue
        call.status = block.status
        call.result = block.content.map((part) => part.toJSON())
        call.error = null
      }
    }
  }
  return calls
}

interface Time {
  readonly from: number
  readonly to: number
}

/** When the calls of an id were made, one behind the other: some providers use an id again. */
function timesIn(entries: readonly Entry[]): Map<string, Time[]> {
  const times = new Map<string, Map<number, Time>>()
  for (const entry of entries) {
    const call = entry.type === 'step' && 'ok' in entry.outcome ? calledBy(localKey(entry.key)) : undefined
    if (call === undefined || entry.type !== 'step') continue
    const { toolUseId, cycle } = call
    const ofId = times.get(toolUseId) ?? new Map<number, Time>()
    ofId.set(cycle, { from: ofId.get(cycle)?.from ?? entry.startedAt, to: entry.at })
    times.set(toolUseId, ofId)
  }
  return new Map([...times].map(([id, ofId]) => [id, [...ofId.values()]]))
}

function textOf(time: number): string {
  return new Date(time).toISOString()
}
