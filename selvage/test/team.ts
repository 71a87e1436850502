/**
 * A team with what is hard about teams, in one graph:
 *
 *   plan ─▶ research ─▶ write
 *      └──▶ price ─────▶
 *
 * `research` calls tools at once, two of which are agents: `archive` keeps its context from call to call, `scout` is made
 * anew for each and asks a person in between. `price` asks a person beside its siblings, and pays, once. `write` outgrows its
 * context window, and its manager makes a summary.
 *
 * Each answer of a model follows from the conversation that the model is shown and says what that was: a process that goes
 * on with another conversation than it had leaves that in the journal.
 */
import { createHash } from 'node:crypto'
import type { StepContext } from '@selvage/core'
import {
  type ScriptedAnswer,
  type ScriptedCall,
  type ScriptedModel,
  type ScriptedToolUse,
  scriptedModel,
} from '@selvage/strands/testing'
import {
  Agent,
  type AgentConfig,
  ContextWindowOverflowError,
  type JSONValue,
  type Message,
  SummarizingConversationManager,
  type ToolContext,
  tool,
} from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { currentStep } from 'selvage'

/** What happens outside: told once in each execution of a model call or a tool. */
export type Act = (at: StepContext) => void

type Turns = (messages: readonly Message[], answer: number) => ScriptedAnswer

const SUMMARY = 'All of it in short'

export function makeTeam(act: Act): Graph {
  const tools = toolsOf(act)
  const agent = (id: string, turns: Turns | readonly ScriptedAnswer[], config: AgentConfig = {}): Agent =>
    new Agent({ id, name: id, model: modelOf(act, id, turns), printer: false, systemPrompt: `You ${id}.`, ...config })

  const archive = agent('archive', ARCHIVE, { tools: [tools.search, tools.note] })
  const scout = agent('scout', SCOUT, { tools: [tools.look, tools.ask] })
  const research = agent('research', RESEARCH, {
    tools: [archive.asTool({ preserveContext: true }), scout.asTool(), tools.look, tools.note],
  })
  return new Graph({
    id: 'team',
    nodes: [
      agent('plan', PLAN, { tools: [tools.look] }),
      research,
      agent('price', PRICE, { tools: [tools.look, tools.ask, tools.charge, tools.note] }),
      agent('write', write, {
        tools: [tools.draft, tools.publish],
        conversationManager: new SummarizingConversationManager({ summaryRatio: 0.5, preserveRecentMessages: 2 }),
      }),
    ],
    edges: [
      ['plan', 'research'],
      ['plan', 'price'],
      ['research', 'write'],
      ['price', 'write'],
    ],
    maxSteps: 20,
  })
}

const uses = (...calls: readonly (readonly [name: string, input: JSONValue])[]): readonly ScriptedToolUse[] =>
  calls.map(([name, input]) => ({ name, input }))

const PLAN: readonly ScriptedAnswer[] = [
  { text: 'First a look.', tools: uses(['look', { n: 1 }]) },
  'This is the plan.',
]

const RESEARCH: readonly ScriptedAnswer[] = [
  {
    text: 'All at once.',
    tools: uses(['archive', { input: 'what is known' }], ['look', { n: 2 }], ['scout', { input: 'go east' }]),
  },
  {
    text: 'And again.',
    tools: uses(['scout', { input: 'go west' }], ['note', { n: 3 }], ['archive', { input: 'what else' }]),
  },
  'Everything is found.',
]

/** Two calls in one conversation. */
const ARCHIVE: readonly ScriptedAnswer[] = [
  { text: 'I search.', tools: uses(['search', { n: 4 }], ['note', { n: 5 }], ['search', { n: 6 }]) },
  'Two found.',
  { text: 'I search on.', tools: uses(['search', { n: 7 }]) },
  'One more found.',
]

/** Each call anew. */
const SCOUT: readonly ScriptedAnswer[] = [
  { text: 'May I?', tools: uses(['look', { n: 8 }], ['ask', { n: 9 }]) },
  'Scouted.',
]

const PRICE: readonly ScriptedAnswer[] = [
  { text: 'I ask for it.', tools: uses(['look', { n: 10 }], ['ask', { n: 11 }], ['note', { n: 12 }]) },
  { text: 'I pay.', tools: uses(['charge', { n: 13 }], ['look', { n: 14 }]) },
  'It has its price.',
]

/** Too much behind three answers, until the first messages are one summary. */
function write(messages: readonly Message[], answer: number): ScriptedAnswer {
  if (!JSON.stringify(messages[0]).includes(SUMMARY)) {
    if (answer > 3) return { error: new ContextWindowOverflowError('too long') }
    return { text: 'I draft.', tools: [{ name: 'draft', input: { n: 20 + answer }, id: `draft_${answer}` }] }
  }
  const isOut = JSON.stringify(messages.at(-1)).includes('published')
  return isOut ? 'It is written.' : { text: 'Out with it.', tools: [{ name: 'publish', input: { n: 30 }, id: 'out' }] }
}

function modelOf(act: Act, id: string, turns: Turns | readonly ScriptedAnswer[]): ScriptedModel {
  const script = (messages: readonly Message[], { answer, options }: ScriptedCall): ScriptedAnswer => {
    act(stepNow())
    const shown = digest(messages, options?.systemPrompt)
    const isManager = JSON.stringify(options?.systemPrompt ?? '').includes('summar')
    const said = isManager ? SUMMARY : typeof turns === 'function' ? turns(messages, answer) : turns[answer - 1]
    if (said === undefined) throw new Error(`${id} has no answer ${answer}`)
    if (typeof said === 'string') return `${said} [shown ${shown}]`
    return said.error === undefined ? { ...said, text: `${said.text} [shown ${shown}]` } : said
  }
  return scriptedModel(script, { modelId: id })
}

/** Of what a model is shown, without what is given anew in each process. */
function digest(messages: readonly Message[], systemPrompt: unknown): string {
  const bare = messages.map(({ role, content }) => ({ role, content }))
  return createHash('sha256')
    .update(JSON.stringify([systemPrompt, bare]))
    .digest('hex')
    .slice(0, 12)
}

function toolsOf(act: Act) {
  const body = (name: string, callback: (n: number, context: ToolContext) => string) =>
    tool({
      name,
      description: `Does ${name}.`,
      inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
      callback: async (input, context) => {
        const { n } = input as { n: number }
        const value = callback(n, context as ToolContext)
        // Those that run at once end one after the other: some are recorded when others have not begun to act.
        for (let turn = 0; turn < 4 * (n % 4); turn++) await new Promise((resolve) => void setImmediate(resolve))
        act(stepNow())
        return value
      },
    })
  return {
    look: body('look', (n) => `${n} is ${n * n} squared`),
    search: body('search', (n) => `found ${n}`),
    ask: body('ask', (n, context) => `answered ${context.interrupt<string>({ name: 'ask', reason: n })}`),
    charge: body('charge', (n) => charged(n)),
    draft: body('draft', (n) => `draft ${n}, ${'long '.repeat(n)}`),
    publish: body('publish', (n) => `published ${n}`),
    note: body('note', (n, context) => {
      context.agent.appState.set(`note ${n}`, n)
      return `noted ${n}`
    }),
  }
}

export function charged(n: number): string {
  return `charged ${n}`
}

function stepNow(): StepContext {
  const at = currentStep()
  if (at === undefined) throw new Error('models and tools run in steps')
  return at
}
