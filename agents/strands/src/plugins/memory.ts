/**
 * What the memory manager of an agent does beside its loop: it searches its stores before model calls, and it saves
 * messages to them.
 *
 *   search   a step, `memory:<hash of the query>@<n>` (n: model outcomes recorded by then), once for each place
 *   saving   the manager numbers the messages as they are added, and keeps each until every store has it. A fold adds
 *            none: those that were added before are handed to it again, under the numbers that they had. What a store has
 *            taken is said by `saved:<store>@<number>`, of the last message; a process that goes on saves what comes behind
 *
 * The first such state, `saved:@<number>`, says where this has begun: -1, or behind the ended turns of a run that an earlier
 * version has begun, which noted nothing. So nothing is left out, and what a store takes again (the process died before the
 * journal said that it has it) comes under the same numbers. Saving is nobody's step: it is done in the background and
 * outlives the invocation, and then the next process says again what nobody has noted.
 */
import { type Json, UnrecordedError } from '@selvage/core'
import type { Agent, MemoryManager, Message } from '@strands-agents/sdk'
import type { Scope } from '../gates/scope.ts'
import { type Extraction, extractionOf } from '../seams/memories.ts'
import { invocationNow } from '../turns/within.ts'

const SAVED = 'saved:'
/** Of all stores. */
const ALL = `${SAVED}@`

/** Whether an entry says only what a store has: it may be written at any time. */
export function isSavedKey(key: string): boolean {
  return key.startsWith(SAVED)
}

/** The scope whose messages are being added. */
const scopes = new WeakMap<Extraction, Saving>()

const gated = new WeakSet<object>()

/** How many messages of an agent its memory manager has heard of, in this process. Undefined: it saves none. */
export function heardSoFar(agent: Agent): number | undefined {
  return extractionOf(agent)?._nextSeq
}

/** The messages of one scope, for the manager of its agent. */
export class Saving {
  readonly #scope: Scope
  readonly #extraction: Extraction
  /** Numbers begin here: a scope may be of one of many calls. */
  readonly #first: number
  #told = 0
  #areMarksKnown = false

  constructor(scope: Scope, extraction: Extraction, first: number) {
    this.#scope = scope
    this.#extraction = extraction
    this.#first = first
    scopes.set(extraction, this)
    noteSaves(extraction)
  }

  /** `added`: the next of those that a fold has put in place. `goesOn`: those behind them will be added again. */
  tell(added: readonly Message[], { ended, goesOn }: { readonly ended: number; readonly goesOn: boolean }): void {
    const extraction = this.#extraction
    if (!this.#areMarksKnown) this.#restoreMarks(ended)
    const marks = [...extraction._marks.values()]
    const saved = Math.min(...marks)
    for (const message of added) {
      const number = this.#first + this.#told++
      if (number < extraction._nextSeq) continue
      extraction._nextSeq = number
      if (number > saved) extraction.record(message.toJSON())
      else extraction._nextSeq++
    }
    const next = this.#first + this.#told
    if (!goesOn || extraction._nextSeq <= next) return
    extraction._nextSeq = next
    extraction._pending = extraction._pending.filter(({ seq }) => seq < next)
  }

  saved(store: string, number: number): void {
    const scope = this.#scope
    if (scope.isClosed || scope.isLost || number < this.#first) return
    void scope.durable.state(scope.key(`${SAVED}${store}@${number - this.#first}`), {})
  }

  #restoreMarks(ended: number): void {
    this.#areMarksKnown = true
    const scope = this.#scope
    const saved = new Map<string, number>()
    const noted = scope.stateKeys(SAVED)
    if (noted.length === 0) {
      noted.push(`${ALL}${ended - 1}`)
      void scope.durable.state(scope.key(`${ALL}${ended - 1}`), {})
    }
    for (const key of noted) {
      const at = key.lastIndexOf('@')
      saved.set(key.slice(SAVED.length, at), this.#first + Number(key.slice(at + 1)))
    }
    for (const [store, mark] of this.#extraction._marks)
      this.#extraction._marks.set(store, Math.max(mark, saved.get('') ?? mark, saved.get(store.name) ?? mark))
  }
}

export function savingOf(scope: Scope, first: number | undefined): Saving | undefined {
  const extraction = extractionOf(scope.agent)
  return extraction === undefined || first === undefined ? undefined : new Saving(scope, extraction, first)
}

/** What a store has taken is noted in the scope that was there when it was given. */
function noteSaves(extraction: Extraction): void {
  if (gated.has(extraction)) return
  gated.add(extraction)
  const write = extraction._write.bind(extraction)
  extraction._write = async (store, buffered) => {
    const saving = scopes.get(extraction)
    const count = await write(store, buffered)
    const last = buffered.at(-1)
    if (last !== undefined) saving?.saved(store.name, last.seq)
    return count
  }
}

/** Puts a gate before the searches of an agent's memory manager; once, for good. */
export function gateSearches(agent: Agent): void {
  const manager = agent.memoryManager
  if (manager === undefined || gated.has(manager)) return
  gated.add(manager)
  const search = manager.search.bind(manager)
  manager.search = async (query, options) => {
    const now = invocationNow()
    const isPlain = now === undefined || now.loop !== undefined || now.scope.durable.current() !== undefined
    return isPlain ? await search(query, options) : await searched(now.scope, now.over, [query, options], search)
  }
}

type Search = MemoryManager['search']

async function searched(scope: Scope, over: Promise<void>, asked: Parameters<Search>, search: Search): Promise<Found> {
  const { durable, conversation } = scope
  const hash = durable.id('', JSON.stringify(asked)).slice(0, 10)
  const key = scope.key(scope.nextOf(`memory:${hash}@${conversation.answers}`))
  let made: Promise<Found> | undefined
  const make = (): Promise<Found> => {
    made ??= search(...asked).then(
      (found) => JSON.parse(JSON.stringify(found)) as Found,
      (error: unknown) => {
        throw new UnrecordedError(error)
      },
    )
    return made
  }
  let isSettled = false
  const step = durable.step({ key, kind: 'code', name: 'memory search' }, make).finally(() => {
    isSettled = true
  })
  // Behind the end of a run its steps do not settle any more.
  const late = over.then(() => (isSettled || scope.isLost || durable.abortSignal.aborted ? step : make()))
  try {
    return await Promise.race([step, late])
  } catch (error) {
    throw error instanceof UnrecordedError ? error.cause : error
  }
}

type Found = Awaited<ReturnType<Search>> & Json
