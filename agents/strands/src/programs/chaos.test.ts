/**
 * Agents at random (tools that fail, ask, write state, are refused or rewritten by hooks; models that throttle or are
 * told to answer again), in processes that die at random, on an engine that loses what they had not written. Whatever
 * happens, messages, state, result and usage are those of the run without a crash, and of the SDK without Selvage; and
 * no tool runs and no model is asked for what the journal has when it begins.
 *
 * SELVAGE_CHAOS_RUNS: how many new ones; a failure prints the seed.
 */
import type { Entry, Json, Question } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { draws } from '@selvage/testing'
import {
  AfterModelCallEvent,
  AfterToolCallEvent,
  type Agent,
  type AgentConfig,
  BeforeModelCallEvent,
  BeforeToolCallEvent,
  ConstantBackoff,
  DefaultModelRetryStrategy,
  type JSONValue,
  Message,
  NullConversationManager,
  TextBlock,
  type ToolContext,
  ToolResultBlock,
  tool,
  type Usage,
} from '@strands-agents/sdk'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Ledger, makeAgent, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { keysOf, questionsOf } from '../../test/scenario.ts'
import { conversationOf } from '../conversation/fold.ts'
import { type Script, throttled } from '../testing/index.ts'
import { createAgentProgram } from './agent-program.ts'

const runtime = nodeRuntime()

const toolKind = fc.constantFrom('look', 'fail', 'ask', 'write', 'slow', 'forbidden', 'secret')

const plan = fc.record({
  cycles: fc.array(
    fc.record({
      tools: fc.array(toolKind, { minLength: 1, maxLength: 4 }),
      throttles: fc.integer({ min: 0, max: 2 }),
      reminder: fc.boolean(),
      refused: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  sequential: fc.boolean(),
  sameIds: fc.boolean(),
  approvals: fc.boolean(),
})
type Plan = typeof plan extends fc.Arbitrary<infer Value> ? Value : never
type Step = Extract<Entry, { readonly type: 'step' }>

/** What is really done, over all processes of a run. */
class Watch {
  /** What began although the journal had its result. */
  readonly again: string[] = []
  /** Answers that the model gave, recorded or not. */
  answered = 0
  readonly #journal: () => readonly Entry[]

  constructor(journal: () => readonly Entry[] = () => []) {
    this.#journal = journal
  }

  /** A refused answer is recorded, and is no message. */
  asked(answer: number): void {
    const told = resultsIn(this.#journal(), 'model').filter((step) => !JSON.stringify(step).includes('refuse me'))
    if (told.length !== answer - 1) this.again.push(`answer ${answer}`)
  }

  /** A call is of the newest answer. */
  runs(toolUseId: string): void {
    const entries = this.#journal()
    const key = `tool:${toolUseId}@${resultsIn(entries, 'model').length}`
    const isIt = (step: Step): boolean => step.key === key || step.key.startsWith(`${key}~`)
    if (resultsIn(entries, 'tool').some(isIt)) this.again.push(key)
  }
}

/** Steps that are done: one that asks is not. */
function resultsIn(entries: readonly Entry[], kind: 'model' | 'tool'): Step[] {
  return entries.flatMap((entry) =>
    entry.type === 'step' && entry.op.kind === kind && !('interrupts' in entry.outcome) ? [entry] : [],
  )
}

/** The agent of a plan. Refusals are remembered by the model's provider: they outlive a process. */
function make(plan: Plan, watch: Watch, remembered: Map<string, number>): Agent {
  const { cycles, sequential, sameIds } = plan
  const once = (key: string, times: number): boolean => {
    const seen = remembered.get(key) ?? 0
    remembered.set(key, seen + 1)
    return seen < times
  }
  const script: Script = (_, { answer }) => {
    const cycle = cycles[answer - 1]
    watch.asked(answer)
    if (cycle !== undefined && once(`throttle ${answer}`, cycle.throttles)) return { error: throttled() }
    watch.answered++
    if (cycle?.refused && once(`refuse ${answer}`, 1)) return 'refuse me'
    if (cycle === undefined) return `Done after ${answer - 1}.`
    const tools = cycle.tools.map((name, n) => ({
      name,
      input: { n: 10 * answer + n },
      id: sameIds ? `call_${n}` : `call_${answer}_${n}`,
    }))
    return { text: `Cycle ${answer}.`, tools }
  }
  const config: AgentConfig = {
    tools: tools(watch),
    toolExecutor: sequential ? 'sequential' : 'concurrent',
    conversationManager: new NullConversationManager(),
    retryStrategy: new DefaultModelRetryStrategy({ maxAttempts: 4, backoff: new ConstantBackoff({ delayMs: 0 }) }),
    appState: { given: true },
  }
  const { agent } = makeAgent(new Ledger(), script, config)
  agent.addHook(AfterModelCallEvent, (event) => {
    if (JSON.stringify(event.stopData?.message.content ?? '').includes('refuse me')) event.retry = true
  })
  agent.addHook(BeforeModelCallEvent, () => {
    const answers = agent.messages.filter(({ role }) => role === 'assistant').length
    const last = agent.messages.at(-1)
    if (!cycles[answers]?.reminder || JSON.stringify(last).includes('reminder')) return
    agent.messages.push(new Message({ role: 'user', content: [new TextBlock(`reminder ${answers}`)] }))
    agent.appState.set('reminders', answers)
  })
  agent.addHook(BeforeToolCallEvent, (event) => {
    if (event.toolUse.name === 'forbidden') event.cancel = 'not allowed'
  })
  agent.addHook(AfterToolCallEvent, (event) => {
    const { name, toolUseId } = event.toolUse
    if (name === 'secret')
      event.result = new ToolResultBlock({ toolUseId, status: 'success', content: [new TextBlock('***')] })
  })
  return agent
}

function tools(watch: Watch): NonNullable<AgentConfig['tools']> {
  const body = (name: string, callback: (n: number, context: ToolContext) => unknown) =>
    tool({
      name,
      description: 'For a test.',
      inputSchema: { type: 'object' },
      callback: async (input, context) => {
        const { n } = input as { n: number }
        const running = context as ToolContext
        watch.runs(running.toolUse.toolUseId)
        return (await callback(n, running)) as JSONValue
      },
    })
  const looks = ['look', 'forbidden', 'secret'].map((name) => body(name, (n) => `${name} ${n}`))
  return [
    ...looks,
    body('fail', (n) => {
      throw new RangeError(`broken ${n}`)
    }),
    body('ask', (n, context) => `answered ${context.interrupt<string>({ name: 'ask', reason: n })}`),
    body('write', (n, context) => {
      context.agent.appState.set(`written ${n}`, n)
      return { n }
    }),
    body('slow', async (n) => {
      for (let turn = 0; turn < n % 7; turn++) await new Promise((resolve) => void setImmediate(resolve))
      return [n]
    }),
  ]
}

function answer(question: Question): Json {
  if (question.kind === 'interrupt') return { value: `re ${JSON.stringify(question.reason)}` }
  const { n } = question.input as { n: number }
  if (n % 3 === 0) return { approved: false, reason: `no to ${n}` }
  return n % 3 === 1 ? { approved: true } : { approved: true, input: { n: n + 100 } }
}

async function run(
  plan: Plan,
  deaths: readonly number[],
): Promise<{ agent: Agent; entries: readonly Entry[]; result: unknown; died: number; watch: Watch }> {
  const engine = new MemoryEngine(runtime)
  const watch = new Watch(() => engine.entries('r'))
  const remembered = new Map<string, number>()
  let agent: Agent | undefined
  const approvals = plan.approvals ? { look: true as const, secret: true as const } : {}
  const program = createAgentProgram(
    'agent',
    () => {
      agent = make(plan, watch, remembered)
      return agent
    },
    { log: () => {}, approvals },
  )
  await engine.start('r', { program: 'agent', input: 'go' })
  const schedule = [...deaths]
  let died = 0
  for (let process = 0; process < 500; process++) {
    const next = schedule.shift()
    engine.diesBehind = next === undefined ? undefined : engine.entries('r').length + next
    const how = await engine.execute('r', program)
    if ('outcome' in how)
      return {
        agent: agent as Agent,
        entries: engine.entries('r'),
        result: 'ok' in how.outcome ? how.outcome.ok : how.outcome,
        died,
        watch,
      }
    if ('died' in how) died++
    else
      for (const question of questionsOf(engine.entries('r')))
        await engine.signal('r', { id: question.id, name: question.id, payload: answer(question) })
  }
  throw new Error('the run does not end')
}

function tokensOf(answers: readonly Step[]): number {
  return answers.reduce((sum, { outcome }) => {
    const { metadata } = (outcome as { ok: unknown }).ok as { metadata: { usage: Usage } }
    return sum + metadata.usage.inputTokens + metadata.usage.outputTokens
  }, 0)
}

/** The same without Selvage. */
async function bare(plan: Plan): Promise<Agent> {
  const agent = make(plan, new Watch(), new Map())
  let result = await agent.invoke('go')
  while (result.stopReason === 'interrupt') {
    result = await agent.invoke(
      (result.interrupts ?? []).map(({ id, reason }) => ({
        interruptResponse: { interruptId: id, response: `re ${JSON.stringify(reason)}` },
      })),
    )
  }
  return agent
}

it('comes out the same, however often the process dies', { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 12 }), async (plan, deaths) => {
      const whole = await run(plan, [])
      const torn = await run(plan, deaths)
      expect(plain(torn.agent.messages)).toEqual(plain(whole.agent.messages))
      expect(torn.agent.appState.getAll()).toEqual(whole.agent.appState.getAll())
      expect(torn.result).toMatchObject({ text: (whole.result as { text: string }).text, stopReason: 'endTurn' })
      expect(plain(conversationOf(torn.entries).messages)).toEqual(plain(whole.agent.messages))
      const keys = keysOf(torn.entries)
      expect(new Set(keys).size).toBe(keys.length)
      for (const { watch, entries, died, result } of [whole, torn]) {
        expect(watch.again).toEqual([])
        const answers = resultsIn(entries, 'model')
        // A process that dies takes at most one answer along.
        expect(watch.answered - answers.length).toBeGreaterThanOrEqual(0)
        expect(watch.answered - answers.length).toBeLessThanOrEqual(died)
        expect((result as { usage: Usage }).usage.totalTokens).toBe(tokensOf(answers))
      }
      if (plan.approvals) return
      const native = await bare(plan)
      expect(plain(whole.agent.messages)).toEqual(plain(native.messages))
      expect(whole.agent.appState.getAll()).toEqual(native.appState.getAll())
    }),
    draws(process.env.SELVAGE_CHAOS_RUNS, 25),
  )
})
