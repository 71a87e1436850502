/**
 * Every use of what the Strands SDK does not promise: private members, undocumented shapes, rules that only its code
 * says. Tried with 1.16.0 and 1.19.0; seams.test.ts holds a contract test for each, to be run against every version.
 *
 * Public, and so used elsewhere: both middleware stages, `addHook`, `messages`, `appState`, `loadSnapshot`, the event and
 * message classes.
 */
import {
  Agent,
  type AgentResult,
  type AgentStreamEvent,
  type ContentBlock,
  DefaultModelRetryStrategy,
  type ExecuteToolContext,
  type Interrupt,
  type InterruptResponseContentData,
  type InvocationState,
  type InvokeArgs,
  type InvokeOptions,
  type LocalAgent,
  type McpClient,
  Message,
  type MessageData,
  Model,
  ModelRetryStrategy,
  SessionManager,
  SNAPSHOT_SCHEMA_VERSION,
  type Snapshot,
  type Usage,
} from '@strands-agents/sdk'
import { addInto } from './usage.ts'

/** One pass of an invocation: everything between the hooks Before- and AfterInvocation. */
export type Invocation = (
  args: InvokeArgs | undefined,
  options: InvokeOptions | undefined,
  invocationState: InvocationState,
  continuation: unknown,
) => AsyncGenerator<AgentStreamEvent, AgentResult, undefined>

interface Inside {
  _streamWithMiddleware: Invocation
  _invokeModelWithMiddleware?: ((...args: unknown[]) => AsyncGenerator) | undefined
  readonly _tracer?: { _addEventMessages?: ((span: unknown, messages: unknown) => void) | undefined }
  _throwIfCancelled(): void
  readonly _interruptState: InterruptStateInside
  readonly _middlewareRegistry?: { readonly _handlers?: Map<unknown, unknown> }
  readonly _hooksRegistry?: HooksInside
  readonly _backgroundTasks: unknown
  readonly _checkpointing: boolean
  readonly _meter: MeterInside
  readonly _mcpClients?: readonly McpClient[]
}

interface HooksInside {
  invokeCallbacks?: (event: unknown) => Promise<unknown>
  readonly getCallbacksFor?: (event: unknown) => readonly unknown[]
}

interface InterruptStateInside {
  interrupts: Record<string, Interrupt>
  activated: boolean
  resume(responses: readonly InterruptResponseContentData[]): void
  getOrCreateInterrupt(
    id: string,
    name: string,
    reason: Interrupt['reason'],
    response: Interrupt['response'],
    source: Interrupt['source'],
  ): Interrupt
}

interface MeterInside {
  _cycleCount: number
  _accumulatedUsage: Usage
  _agentInvocations: { cycles: { cycleId: string; duration: number; usage: Usage }[]; usage: Usage }[]
  startNewInvocation(): void
}

function inside(agent: Agent): Inside {
  return agent as unknown as Inside
}

// ── the invocation ──────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `Agent.stream` calls `this._streamWithMiddleware(args, options, invocationState, continuationEvent)` once per pass,
 * after BeforeInvocation and before AfterInvocation, and yields on what it yields without calling hooks. An own property
 * of the instance takes its place.
 */
export function wrapInvocation(agent: Agent, wrap: (original: Invocation) => Invocation): void {
  const self = inside(agent)
  self._streamWithMiddleware = wrap(self._streamWithMiddleware.bind(agent))
}

/** The loop turns exactly the error that `_throwIfCancelled` throws into a result with stopReason `cancelled`. Its class is not exported. */
export function throwIfCancelled(agent: Agent): void {
  inside(agent)._throwIfCancelled()
}

// ── interrupts ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** An interrupt as its `toJSON` says it. */
export interface InterruptJson {
  readonly id: string
  readonly name: string
  readonly reason?: Interrupt['reason']
  readonly source?: Interrupt['source']
}

/** InterruptError is not exported: known by its name and its list. */
export function isInterruptError(error: unknown): error is Error & { interrupts: Interrupt[] } {
  return (
    error instanceof Error &&
    error.name === 'InterruptError' &&
    'interrupts' in error &&
    Array.isArray(error.interrupts)
  )
}

export function interruptJson(interrupt: Interrupt): InterruptJson {
  const { id, name, reason, source } = interrupt
  return { id, name, ...(reason !== undefined && { reason }), source }
}

/** `interrupt()` of a tool or of middleware looks its id up here, and returns the response if there is one. */
export function respond(
  agent: Agent,
  { id, name, reason, source }: InterruptJson,
  response: Interrupt['response'],
): void {
  const known = inside(agent)._interruptState.getOrCreateInterrupt(id, name, reason, response, source ?? 'tool')
  if (response !== undefined) known.response = response
}

/** Some providers use the id of a tool call again: an answer must not be there for the next one. */
export function forgetInterrupt(agent: Agent, id: string): void {
  delete inside(agent)._interruptState.interrupts[id]
}

/**
 * Raises recorded interrupts again: `ctx.interrupt` throws an InterruptError, whose list is replaced. They are also
 * registered, because the executor keeps only the last of several errors of one cycle.
 */
export function raiseInterrupts(ctx: ExecuteToolContext, agent: Agent, recorded: readonly InterruptJson[]): never {
  const error = probeInterrupt(ctx)
  const [sample] = error.interrupts
  const Class = sample?.constructor as new (data: InterruptJson) => Interrupt
  error.interrupts = recorded.map((data) => new Class(data))
  error.message = `Interrupt raised: ${recorded.map(({ name }) => name).join(', ')}`
  for (const data of recorded) respond(agent, data, undefined)
  throw error
}

function probeInterrupt(ctx: ExecuteToolContext): Error & { interrupts: Interrupt[] } {
  try {
    ctx.interrupt({ name: 'selvage' })
  } catch (error) {
    if (isInterruptError(error)) return error
    throw error
  }
  throw new Error('This version of the Strands SDK answered an interrupt that nobody had raised.')
}

const NO_INTERRUPTS = { interrupts: {}, activated: false }

/**
 * The interrupt state of a new agent: nothing is pending, for the loop begins at the model call, and the gates answer for
 * what has been done since.
 */
export function resetInterrupts(agent: Agent): void {
  agent.loadSnapshot({
    scope: 'agent',
    schemaVersion: SNAPSHOT_SCHEMA_VERSION,
    createdAt: '',
    data: { interrupts: NO_INTERRUPTS },
    appData: {},
  })
}

/** What `Agent.stream` does with interrupt responses before each pass; needed where a pass is repeated below it. */
export function resumeInterrupts(agent: Agent, responses: readonly InterruptResponseContentData[]): void {
  inside(agent)._interruptState.resume(responses)
}

/** What the ids of interrupts begin with that hooks of an agent raise. */
export function isHookInterrupt(id: string): boolean {
  return id.startsWith('hook:')
}

/**
 * Hooks that raise these interrupts are answered at once: for a pass that begins at the model call, and is given the
 * responses as its input. The loop forgets them behind the next tools.
 */
export function answerHooks(agent: Agent, answered: readonly HookAnswer[]): void {
  for (const { interrupt, response } of answered) respond(agent, interrupt, response)
  inside(agent)._interruptState.activated = true
}

export interface HookAnswer {
  readonly interrupt: InterruptJson
  readonly response: NonNullable<Interrupt['response']> | null
}

// ── what stands around us ───────────────────────────────────────────────────────────────────────────────────────────

/** Whether the agent runs tools outside of its loop. Not readable in public. */
export function hasBackgroundTasks(agent: Agent): boolean {
  return inside(agent)._backgroundTasks !== undefined
}

/** Whether the loop returns at every cycle with stopReason `checkpoint`. Not readable in public. */
export function hasCheckpointing(agent: Agent): boolean {
  return inside(agent)._checkpointing === true
}

/**
 * Makes a Wrap handler the outermost of its stage, whoever registered before it: handlers run in the order of one list per
 * stage. False where this version keeps them otherwise; then those registered earlier stand outside.
 */
export function makeOutermost(agent: Agent, stage: object, handler: unknown): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers?.get(stage)
  if (!Array.isArray(handlers)) return false
  const at = handlers.findIndex((entry: { handler?: unknown }) => entry.handler === handler)
  if (at < 0) return false
  handlers.unshift(...handlers.splice(at, 1))
  return true
}

/** Whether a handler is the only one of a stage. False where this version keeps them otherwise. */
export function isOnlyHandler(agent: Agent, stage: object, handler: unknown): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers?.get(stage)
  return Array.isArray(handlers) && handlers.length === 1 && handlers[0]?.handler === handler
}

/** Whether a stage has handlers that is none of these. True where this version keeps them otherwise. */
export function hasOtherStages(agent: Agent, stages: readonly object[]): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers
  if (!(handlers instanceof Map)) return true
  return [...handlers].some(([stage, own]) => !stages.includes(stage as object) && (own as unknown[]).length > 0)
}

/**
 * Puts something around the hooks of an event: those that an agent has are called, one after the other, by
 * `invokeCallbacks(event)` of its registry; that of `Agent.stream` itself as well, in a stream that has begun before.
 * `types`: of these events, also where they have no hooks; default: of each that has any. False where this version does
 * so otherwise.
 */
export function aroundHooks(
  agent: Agent,
  around: (hooks: () => Promise<unknown>, type: string | undefined) => Promise<unknown>,
  types?: ReadonlySet<string | undefined>,
): boolean {
  const registry = inside(agent)._hooksRegistry
  const { invokeCallbacks, getCallbacksFor } = registry ?? {}
  if (registry === undefined || typeof invokeCallbacks !== 'function' || typeof getCallbacksFor !== 'function')
    return false
  registry.invokeCallbacks = (event) => {
    const hooks = (): Promise<unknown> => invokeCallbacks.call(registry, event)
    const { type } = event as { readonly type?: string }
    const isFor = types === undefined ? getCallbacksFor.call(registry, event).length > 0 : types.has(type)
    return isFor ? around(hooks, type) : hooks()
  }
  return true
}

// ── agents inside of others ─────────────────────────────────────────────────────────────────────────────────────────

/** AgentAsTool is not exported: known by its agent and by whether it keeps that agent's context. */
export function agentOfTool(tool: object | undefined): { agent: Agent; keepsContext: boolean } | undefined {
  const { agent, _preserveContext } = (tool ?? {}) as { agent?: unknown; _preserveContext?: unknown }
  if (!(agent instanceof Agent) || typeof _preserveContext !== 'boolean') return undefined
  return { agent, keepsContext: _preserveContext }
}

/** The MCP servers that an agent was given. Not readable in public. */
export function mcpClientsOf(agent: Agent): readonly McpClient[] {
  return inside(agent)._mcpClients ?? []
}

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

/** What an agent has used so far, in all invocations of this process. */
export function usedSoFar(agent: Agent): { readonly usage: Usage; readonly cycles: number } {
  const { _accumulatedUsage, _cycleCount } = inside(agent)._meter
  return { usage: { ..._accumulatedUsage }, cycles: _cycleCount }
}

// ── what is done to all messages in each cycle ──────────────────────────────────────────────────────────────────────

/** `one` is how the SDK copies a message. */
export type CopyAll = (messages: readonly Message[], one: (message: Message) => Message) => Message[]

/**
 * `Agent._invokeModelWithMiddleware` begins with `this.messages.map((msg) => msg.clone())`, before anything else can run.
 * While it takes that first step, the list has a `map` of its own, which asks `copyAll`. `missed` is called once, and all
 * is as it was, if this version of the SDK does it in another way.
 */
export function copyMessagesBy(agent: Agent, messages: () => Message[], copyAll: CopyAll, missed: () => void): void {
  const self = inside(agent)
  const original = self._invokeModelWithMiddleware
  if (typeof original !== 'function') {
    missed()
    return
  }
  self._invokeModelWithMiddleware = (...args) => {
    const events = original.apply(agent, args)
    const next: unknown = events?.next
    let isFirst = true
    const asBefore = (): void => {
      self._invokeModelWithMiddleware = original
      missed()
    }
    if (typeof next !== 'function') asBefore()
    else
      events.next = (...values) => {
        if (!isFirst) return next.apply(events, values)
        isFirst = false
        const { result, wasAsked } = withMap(messages(), copyAll, () => next.apply(events, values))
        if (!wasAsked) asBefore()
        return result
      }
    return events
  }
}

type Each = (message: Message) => Message

/** Runs `body` while `messages.map` is `copyAll` for whoever clones them all. */
function withMap<T>(messages: Message[], copyAll: CopyAll, body: () => T): { result: T; wasAsked: boolean } {
  let wasAsked = false
  const map = (each: Each, ...rest: unknown[]): unknown[] => {
    if (!isCloning(each)) return Array.prototype.map.call(messages, each as never, ...rest)
    Reflect.deleteProperty(messages, 'map')
    wasAsked = true
    return copyAll(messages, each)
  }
  Object.defineProperty(messages, 'map', { value: map, configurable: true, writable: true })
  try {
    return { result: body(), wasAsked }
  } finally {
    Reflect.deleteProperty(messages, 'map')
  }
}

/**
 * `normalizeToolUseNames(messages)` begins with `messages.map(…)`, whose function gives a message with a bad tool name
 * back as another one, and is the first to use the list that a model call is given. It is asked about the messages from
 * `from` on only; if it would change one of them, it gets all of them, as ever. `told` hears what it found. Other versions
 * of the SDK, and other uses of the list, find it as it is.
 */
export function checkNamesFrom(list: Message[], from: number, told: (areGood: boolean) => void): void {
  const map = (each: Each, ...rest: unknown[]): unknown[] => {
    Reflect.deleteProperty(list, 'map')
    if (Function.prototype.toString.call(each).includes('INVALID_TOOL_NAME')) {
      const areGood = list.slice(from).every((message) => each(message) === message)
      told(areGood)
      if (areGood) return list
    }
    return Array.prototype.map.call(list, each as never, ...rest)
  }
  Object.defineProperty(list, 'map', { value: map, configurable: true, writable: true })
}

function isCloning(each: (message: Message) => unknown): boolean {
  const clone = {}
  try {
    return each({ clone: () => clone } as Message) === clone
  } catch {
    return false
  }
}

/**
 * `Tracer._addEventMessages(span, messages)` writes all messages out and gives the text to the span. A span that does not
 * record (there is no tracer provider, or it was not sampled) drops it. False if this version traces in another way.
 */
export function traceOnlyRecording(agent: Agent): boolean {
  const tracer = inside(agent)._tracer
  const original = tracer?._addEventMessages
  if (tracer === undefined || typeof original !== 'function') return false
  tracer._addEventMessages = (span, messages) => {
    if ((span as { isRecording?(): boolean }).isRecording?.() !== false) original.call(tracer, span, messages)
  }
  return true
}

// ── metrics ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Lets `agent.metrics`, and limits per invocation, go on where a resumed run was: earlier usage is put into the meter's
 * sums, that of the resumed turn into the invocation that begins next. OpenTelemetry counters are not touched, what was
 * counted by another process was exported by it.
 */
export function restoreMetrics(
  agent: Agent,
  usage: Usage,
  cyclesBefore: number,
  turn: readonly (Usage | undefined)[],
): void {
  const meter = inside(agent)._meter
  meter._accumulatedUsage = { ...usage }
  meter._cycleCount = cyclesBefore + turn.length
  if (turn.length === 0) return
  meter.startNewInvocation = function (this: MeterInside) {
    delete (this as Partial<MeterInside>).startNewInvocation
    this.startNewInvocation()
    const invocation = this._agentInvocations.at(-1)
    if (invocation === undefined) return
    const total = { ...invocation.usage }
    for (let index = 0; index < turn.length; index++) {
      const spent = turn[index]
      const one = { inputTokens: 0, outputTokens: 0, totalTokens: 0 }
      if (spent !== undefined) addInto(one, spent)
      if (spent !== undefined) addInto(total, spent)
      invocation.cycles.push({ cycleId: `cycle-${cyclesBefore + index + 1}`, duration: 0, usage: one })
    }
    invocation.usage = total
  }
}

// ── models beside the loop ──────────────────────────────────────────────────────────────────────────────────────────

/** What chooses among the models of a router. */
export interface Strategy {
  select(context: { readonly attempts: readonly unknown[] }): unknown
}

/** Objects that are looked at: enough for plugins and what they hold, little enough for data that they hold. */
const MOST_OBJECTS = 2_000

/**
 * The models that an agent and what it is made of can call, each in a field of its owner: the agent's, a router's
 * candidates and its strategy's, those of conversation, context and memory managers, of plugins and interventions. Not
 * found: `#private` fields, and what only a closure holds. Nearest first; large data is not looked through.
 */
export function modelsAround(agent: Agent): { readonly models: readonly Model[]; readonly strategies: Strategy[] } {
  const { contextManager, memoryManager } = agent as { contextManager?: unknown; memoryManager?: unknown }
  const { _modelRouter, _conversationManager, _pluginRegistry, _interventionRegistry } = agent as unknown as {
    readonly [field: string]: unknown
  }
  const models: Model[] = []
  const strategies: Strategy[] = []
  const seen = new Set<unknown>([agent])
  const queue: unknown[] = [
    ...[agent.model, _modelRouter, _conversationManager, contextManager, memoryManager],
    ...[_pluginRegistry, _interventionRegistry],
  ]
  for (let at = 0; at < queue.length && at < MOST_OBJECTS; at++) {
    const value = queue[at]
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Model) models.push(value)
    else if (value instanceof Agent) queue.push(value.model)
    else if (!(value instanceof Message) && !ArrayBuffer.isView(value)) {
      const { _strategy, _candidates } = value as { readonly _strategy?: Partial<Strategy>; _candidates?: unknown }
      if (typeof _strategy?.select === 'function' && Array.isArray(_candidates)) strategies.push(_strategy as Strategy)
      queue.push(...fieldsOf(value))
    }
  }
  return { models, strategies }
}

function fieldsOf(value: object): unknown[] {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) {
    const items: unknown[] = []
    for (const item of value.values()) {
      if (items.length === MOST_OBJECTS) break
      items.push(item)
    }
    return items
  }
  const fields = Object.values(Object.getOwnPropertyDescriptors(value))
  return fields.flatMap((field) => (typeof field.value === 'object' ? [field.value] : []))
}

// ── the SDK's own retries ───────────────────────────────────────────────────────────────────────────────────────────

/** The plugins of an agent, initialised or not, with those that the SDK makes of other options. */
function pluginsOf(agent: Agent): unknown[] {
  const { _pluginRegistry } = agent as unknown as { readonly _pluginRegistry: object }
  return fieldsOf(_pluginRegistry).flatMap((field) => (typeof field === 'object' && field ? fieldsOf(field) : []))
}

/** Whether an agent has one, as its option or in its list of plugins. */
export function hasSessionManager(agent: Agent): boolean {
  return agent.sessionManager !== undefined || pluginsOf(agent).some((plugin) => plugin instanceof SessionManager)
}

/** Strategies by which the loop asks a model again. */
function retryStrategiesOf(agent: Agent): ModelRetryStrategy[] {
  return pluginsOf(agent).filter((plugin) => plugin instanceof ModelRetryStrategy)
}

/** Whether model calls of that agent are made again as the SDK does it where its author has said nothing. */
export function hasDefaultRetry(agent: Agent): boolean {
  const { _modelRouter } = agent as unknown as { readonly _modelRouter?: unknown }
  const [strategy, ...others] = retryStrategiesOf(agent)
  if (_modelRouter !== undefined || !(strategy instanceof DefaultModelRetryStrategy) || others.length > 0) return false
  const settings = ({ _maxAttempts, _backoff }: { _maxAttempts?: unknown; _backoff?: unknown }): string =>
    JSON.stringify([_maxAttempts, _backoff])
  return settings(strategy as object) === settings(new DefaultModelRetryStrategy() as object)
}

const muted = new WeakMap<ModelRetryStrategy, () => boolean>()

/** While `isMuted`, the agent's strategies make no other attempt. */
export function muteRetries(agent: Agent, isMuted: () => boolean): void {
  for (const strategy of retryStrategiesOf(agent)) {
    const isKnown = muted.has(strategy)
    muted.set(strategy, isMuted)
    if (isKnown) continue
    const open = strategy as unknown as { computeRetryDecision(event: unknown): unknown }
    const decide = open.computeRetryDecision.bind(strategy)
    open.computeRetryDecision = (event) => (muted.get(strategy)?.() ? { retry: false } : decide(event))
  }
}

// ── goal loops ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface GoalLoopInside {
  readonly _preserveContext: boolean
  readonly _runs: WeakMap<object, { initialSnapshot?: Snapshot }>
}

/**
 * A GoalLoop with `preserveContext: false` keeps what the agent is at the first model call of an invocation, in a field of
 * its run, and gives the agent that back before each other attempt. Undefined where the agent has no such plugin, or that
 * has it already; else what tells it the messages of that model call.
 */
export function missingGoalStart(agent: Agent): ((messages: readonly Message[]) => void) | undefined {
  const plugin = pluginsOf(agent).find(isForgetfulGoalLoop)
  const run = plugin?._runs.get(agent)
  if (run === undefined || run.initialSnapshot !== undefined) return undefined
  return (messages) => {
    const { data, ...snapshot } = agent.takeSnapshot({ include: ['systemPrompt', 'modelState'] })
    const shown = messages.map((message) => message.toJSON() as never)
    run.initialSnapshot = { ...snapshot, data: { ...data, messages: shown, interrupts: NO_INTERRUPTS } }
  }
}

function isForgetfulGoalLoop(plugin: unknown): plugin is GoalLoopInside {
  const { _preserveContext, _runs } = (plugin ?? {}) as Partial<GoalLoopInside>
  return _preserveContext === false && _runs instanceof WeakMap
}

// ── structured output ───────────────────────────────────────────────────────────────────────────────────────────────

const STRUCTURED_OUTPUT_TOOL = 'strands_structured_output'

/** The tool by which the loop asks for structured output; it is there only in an invocation that wants some. */
export function structuredOutputTool(
  agent: LocalAgent,
): { readonly name: string; fault(input: unknown): unknown } | undefined {
  const tool = agent.toolRegistry.get(STRUCTURED_OUTPUT_TOOL) as
    | { _schema?: { parse(input: unknown): unknown } }
    | undefined
  if (tool === undefined) return undefined
  return {
    name: STRUCTURED_OUTPUT_TOOL,
    fault: (input) => {
      try {
        tool._schema?.parse(input)
        return undefined
      } catch (error) {
        return error
      }
    },
  }
}
