/**
 * What a ContextOffloader has put aside of the results of tools, in a process that goes on with a run.
 *
 * The plugin stores a large result, behind the tool's gate, and gives the model a part of it with references. A fold puts
 * messages in place and calls no hook: the references would be there, and of a storage in memory nothing behind them. So it is
 * noted what was put aside, and stored again from the result of the tool, which the journal has.
 *
 *   offloaded:<name>@<cycle>   state: which block of which result, its reference, and the block itself where a hook had
 *                              rewritten the result before
 *
 * In a storage that outlives the process only what is missing is written. What would have been evicted is not stored again.
 */
import { decode, encode, type Json } from '@selvage/core'
import type { Agent, ToolResultBlock } from '@strands-agents/sdk'
import { readResult } from '../conversation/from-journal.ts'
import { calledBy } from '../conversation/keys.ts'
import { recordResult, resultBlock } from '../conversation/record.ts'
import { type Scope, toJson } from '../gates/scope.ts'
import { offloadAgain, onOffload } from '../seams/memories.ts'

const NOTE = 'offloaded:'

interface Note {
  readonly key: string
  readonly ref: string
  readonly toolUseId: string
  readonly cycle: number
  readonly index: number
  /** The block, as the codec writes it. */
  readonly rewritten?: Json
}

/** From now on it is noted what the agent's plugin puts aside. */
export function noteOffloads(agent: Agent, scopeNow: () => Scope | undefined, log: (line: string) => void): void {
  const isKnown = onOffload(agent, (result, stored) => {
    const scope = scopeNow()
    if (scope === undefined) return
    const { toolUseId } = result
    const { cycle } = scope.conversation
    const isOfTool = scope.conversation.gave(result)
    for (const { key, ref, block } of stored) {
      const index = result.content.indexOf(block)
      const rewritten = isOfTool ? undefined : recordResult(result).content[index]
      const note: Note = {
        key,
        ref,
        toolUseId,
        cycle,
        index,
        ...(rewritten !== undefined && { rewritten: encode(rewritten, `what was put aside of ${toolUseId}`) }),
      }
      if (!isNoted(scope, note)) void scope.durable.state(scope.key(`${NOTE}${key}@${cycle}`), toJson(note))
    }
  })
  if (isKnown) return
  log(
    `Agent "${agent.name}": this version of the Strands SDK puts large results aside in a way that Selvage does not know. Give its ContextOffloader a storage that outlives the process: what is kept in memory is not found when another one goes on.`,
  )
}

/** Hooks of the cycle under way are called again. */
function isNoted(scope: Scope, { ref, cycle }: Note): boolean {
  return cycle <= scope.fold.recorded && notesIn(scope).some((note) => note.ref === ref && note.cycle === cycle)
}

const stored = new WeakSet<Scope>()

/** Called when the agent has the messages of the fold point, before its loop goes on. */
export async function storeOffloadsAgain(scope: Scope): Promise<void> {
  if (stored.has(scope)) return
  stored.add(scope)
  const { base } = scope.conversation
  // Behind the fold point the loop asks again, and the plugin is called again.
  const notes = notesIn(scope).filter(({ cycle }) => cycle <= base)
  if (notes.length === 0) return
  const results = resultsIn(scope)
  // A provider may use an id again: then what was stored last is found.
  for (const note of new Map(notes.map((each) => [each.ref, each])).values()) {
    const { toolUseId, cycle, index, rewritten } = note
    const block =
      rewritten === undefined
        ? results(toolUseId, cycle)?.content[index]
        : resultBlock({ content: [decode(rewritten) as never] }, toolUseId).content[0]
    if (block !== undefined) await offloadAgain(scope.agent, { ...note, block }, base - cycle)
  }
}

/** In the order of the journal. */
function notesIn(scope: Scope): readonly Note[] {
  const begin = scope.key(NOTE)
  return scope.entries.flatMap((entry) =>
    entry.type === 'state' && entry.key.startsWith(begin) ? [entry.patch as unknown as Note] : [],
  )
}

/** What the tools of a scope have given, by call and cycle. */
function resultsIn(scope: Scope): (toolUseId: string, cycle: number) => ToolResultBlock | undefined {
  const prefix = scope.key('')
  const results = new Map<string, Json>()
  for (const entry of scope.entries) {
    if (entry.type !== 'step' || !('ok' in entry.outcome) || !entry.key.startsWith(prefix)) continue
    const call = calledBy(entry.key.slice(prefix.length))
    if (call !== undefined) results.set(`${call.toolUseId}@${call.cycle}`, entry.outcome.ok)
  }
  return (toolUseId, cycle) => {
    const result = results.get(`${toolUseId}@${cycle}`)
    return result === undefined ? undefined : readResult(result, toolUseId).block
  }
}
