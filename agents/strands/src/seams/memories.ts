/**
 * The seams of what an agent remembers beside its messages: the stash of a context manager, what a ContextOffloader has put
 * aside, the stores of a memory manager.
 */
import type {
  AfterToolCallEvent,
  Agent,
  ContentBlock,
  LocalAgent,
  Message,
  MessageData,
  ToolResultContent,
} from '@strands-agents/sdk'
import { pluginsOf } from './plugins.ts'

/** Where a context manager keeps what it takes out of the conversation. Its class is not exported. */
export interface Stash {
  list(): Promise<string[]>
  /** The names of what `storeMessage` keeps of a block. */
  refsFor(block: ContentBlock, message: Message, index: number): string[]
  /** Writes over what is there. Results of these tool calls it does not keep. */
  storeMessage(message: Message, except: ReadonlySet<string>): Promise<void>
}

/** There once the agent is initialised. Versions before 1.18 have none. */
export function stashOf(agent: Agent): Stash | undefined {
  return (agent as { readonly contextManager?: { readonly stash?: Stash } }).contextManager?.stash
}

/**
 * A stash lies under the agent's `sessionId`, which is random, and made when somebody first asks for it. Called before
 * that; one of a SessionManager goes before.
 */
export function setSessionId(agent: Agent, sessionId: string): void {
  const self = agent as unknown as { _sessionId?: string }
  self._sessionId ??= sessionId
}

/** A plugin that puts large results of tools aside. An agent has at most one. */
interface OffloaderInside {
  readonly name: string
  readonly _evictAfterCycles: number | null
  /** Of storages with `read`: the cycle in which each reference was stored. */
  readonly _keyStoredAt: Map<string, number>
  _handleToolResult(event: AfterToolCallEvent): Promise<void>
  /** `ref`: how the content is found again; empty if it was not stored. */
  _storeBlock(storage: unknown, block: ToolResultContent, key: string): Promise<{ readonly ref: string }>
  _storageForAgent(agent: Agent): unknown
}

/** The old storage in memory, whose references count what was stored. */
interface CountingStorage {
  readonly _store: Map<string, unknown>
  _counter: number
  _currentCycle: number
}

const OFFLOADER = 'strands:context-offloader'

/** `unknown`: this version puts results aside in another way. */
function offloaderOf(agent: Agent): OffloaderInside | 'unknown' | undefined {
  const isNamed = (plugin: unknown): plugin is Partial<OffloaderInside> =>
    (plugin as { readonly name?: unknown }).name === OFFLOADER
  const plugin = pluginsOf(agent).find(isNamed)
  if (plugin === undefined) return undefined
  const { _handleToolResult, _storeBlock, _storageForAgent, _keyStoredAt } = plugin
  const methods = [_handleToolResult, _storeBlock, _storageForAgent]
  const isKnown = methods.every((method) => typeof method === 'function') && _keyStoredAt instanceof Map
  return isKnown ? (plugin as OffloaderInside) : 'unknown'
}

/** A block of a result, under the name that it was stored by, and the reference by which it is found. */
export interface Offloaded {
  readonly key: string
  readonly ref: string
  readonly block: ToolResultContent
}

/** Told of each result of which something was put aside, as it was before. */
type OnOffload = (result: AfterToolCallEvent['result'], stored: readonly Offloaded[]) => void

const told = new WeakMap<OffloaderInside, WeakMap<LocalAgent, OnOffload>>()

/** False: something puts results of this agent aside in a way that is not known. */
export function onOffload(agent: Agent, tell: OnOffload): boolean {
  const offloader = offloaderOf(agent)
  if (offloader === undefined || offloader === 'unknown') return offloader === undefined
  const before = told.get(offloader)
  const byAgent = before ?? new WeakMap<LocalAgent, OnOffload>()
  byAgent.set(agent, tell)
  if (before !== undefined) return true
  told.set(offloader, byAgent)
  const handle = offloader._handleToolResult
  offloader._handleToolResult = async (event) => {
    const { result } = event
    const stored: Offloaded[] = []
    const storing: OffloaderInside['_storeBlock'] = async (storage, block, key) => {
      const kept = await offloader._storeBlock(storage, block, key)
      if (kept.ref !== '') stored.push({ key, ref: kept.ref, block })
      return kept
    }
    await handle.call(Object.create(offloader, { _storeBlock: { value: storing } }), event)
    if (stored.length > 0) byAgent.get(event.agent)?.(result, stored)
  }
  return true
}

/** Puts aside again what is gone, so many cycles old, under its reference. Storages that are not in memory have it. */
export async function offloadAgain(agent: Agent, { key, ref, block }: Offloaded, age: number): Promise<void> {
  const offloader = offloaderOf(agent)
  if (offloader === undefined || offloader === 'unknown') return
  const { _evictAfterCycles: most, _keyStoredAt: storedAt } = offloader
  if (most !== null && age > most) return
  const storage = offloader._storageForAgent(agent)
  const at = agent.metrics.cycleCount - age
  if (isCounting(storage)) {
    const { _counter, _currentCycle } = storage
    const count = Number(/^mem_(\d+)_/.exec(ref)?.[1] ?? 0)
    if (storage._store.has(ref)) return
    Object.assign(storage, { _counter: count - 1, _currentCycle: at })
    await offloader._storeBlock(storage, block, key)
    Object.assign(storage, { _counter: Math.max(_counter, count), _currentCycle })
  } else if (isReadable(storage)) {
    if ((await storage.read(ref)) === null) await offloader._storeBlock(storage, block, key)
    storedAt.set(ref, at)
  }
}

function isCounting(storage: unknown): storage is CountingStorage {
  const { _store, _counter } = storage as Partial<CountingStorage>
  return _store instanceof Map && typeof _counter === 'number'
}

function isReadable(storage: unknown): storage is { read(key: string): Promise<unknown> } {
  return typeof (storage as { readonly read?: unknown }).read === 'function'
}

/** What a memory manager saves of the conversation. Its class is not exported. */
export interface Extraction {
  /** The number of the next message. */
  _nextSeq: number
  /** Messages that some store does not have yet. */
  _pending: readonly { readonly seq: number }[]
  /** Of each store: the number of the last message that it has, or is being given. */
  readonly _marks: Map<{ readonly name: string }, number>
  /** Called for each message that is added. */
  record(message: MessageData): void
  /** The one way by which messages, or what is extracted of them, get into a store. */
  _write(store: { readonly name: string }, buffered: readonly { readonly seq: number }[]): Promise<number>
}

/** There once an agent is initialised that saves messages. Undefined where this version does so otherwise. */
export function extractionOf(agent: Agent): Extraction | undefined {
  const { _coordinator: found } = (agent.memoryManager ?? {}) as { readonly _coordinator?: Partial<Extraction> }
  const isKnown = typeof found?._nextSeq === 'number' && Array.isArray(found._pending) && found._marks instanceof Map
  return isKnown && typeof found._write === 'function' ? (found as Extraction) : undefined
}
