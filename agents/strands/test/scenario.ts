/**
 * A scenario: an agent, what people answer, and what counts. It is run to the end once, and then again from every prefix
 * of its journal, as if the process had died behind that entry; nothing that is recorded may be done again, and what
 * comes out may not differ.
 */
import type { Blobs, Entry, Json, Program, Question, Runtime } from '@selvage/core'
import type { Agent, AgentConfig } from '@strands-agents/sdk'
import { createAgentProgram } from '../src/programs/agent-program.ts'
import type { AgentOptions } from '../src/programs/program-options.ts'
import type { Script } from '../src/testing/index.ts'
import { Ledger, makeAgent, plain } from './agents.ts'
import { type How, MemoryEngine } from './memory-engine.ts'

export interface Scenario {
  readonly script: Script
  readonly config?: (ledger: Ledger) => AgentConfig
  /** Called with each new agent. */
  readonly prepare?: (agent: Agent, ledger: Ledger) => void
  readonly options?: AgentOptions
  readonly input?: Json
  /** The answer to an open question; undefined leaves it open. */
  readonly answer?: (question: Question) => Json | undefined
}

export interface Played {
  readonly how: How
  readonly entries: readonly Entry[]
  readonly ledger: Ledger
  readonly agent: Agent
  readonly agents: readonly Agent[]
  readonly engine: MemoryEngine
  readonly program: Program
}

/** Runs a scenario in as many processes as it takes, from a prefix of a journal if one is given. */
export async function play(
  runtime: Runtime,
  scenario: Scenario,
  prefix: readonly Entry[] = [],
  blobs?: Blobs,
): Promise<Played> {
  const { script, config, prepare, options, input = 'go', answer } = scenario
  const ledger = new Ledger()
  const agents: Agent[] = []
  const program = createAgentProgram(
    'agent',
    () => {
      const { agent } = makeAgent(ledger, script, config?.(ledger))
      prepare?.(agent, ledger)
      agents.push(agent)
      return agent
    },
    { log: () => {}, ...options },
  )
  const engine = new MemoryEngine(runtime)
  engine.blobs = blobs
  await engine.start('r', { program: 'agent', input }, prefix)
  let how = await engine.execute('r', program)
  while ('waits' in how && answer !== undefined) {
    if (!(await answerAll(engine, how.waits, answer))) break
    how = await engine.execute('r', program)
  }
  return { how, entries: engine.entries('r'), ledger, agent: agents.at(-1) as Agent, agents, engine, program }
}

/** False where nothing was left to answer: a run that waits on for what it was told must be seen to wait. */
async function answerAll(
  engine: MemoryEngine,
  waits: readonly string[],
  answer: (question: Question) => Json | undefined,
): Promise<boolean> {
  let answered = false
  for (const question of questionsOf(engine.entries('r'))) {
    if (!waits.includes(question.id)) continue
    const payload = answer(question)
    if (payload === undefined) continue
    const { accepted } = await engine.signal('r', { id: question.id, name: question.id, payload, by: 'ann' })
    answered ||= accepted
  }
  return answered
}

export function questionsOf(entries: readonly Entry[]): Question[] {
  return entries.flatMap((entry) => (entry.type === 'open' ? [entry.question] : []))
}

export function keysOf(entries: readonly Entry[]): string[] {
  return entries.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
}

/** What must be the same however often the process died. */
export function outcomeOf({ how, agent }: Played): unknown {
  return { how: withoutStacks(how), messages: plain(agent.messages), state: agent.appState.getAll() }
}

function withoutStacks(how: How): unknown {
  return JSON.parse(JSON.stringify(how, (key, value) => (key === 'stack' ? undefined : value)))
}

/** Plays it from every prefix of its journal; `check` is told of each, beside what holds for all. */
export async function playAllPrefixes(
  runtime: Runtime,
  scenario: Scenario,
  check: (again: Played, whole: Played, prefix: readonly Entry[]) => void,
): Promise<Played> {
  const whole = await play(runtime, scenario)
  for (let length = 1; length < whole.entries.length; length++) {
    const prefix = whole.entries.slice(0, length)
    const again = await play(runtime, scenario, prefix)
    try {
      check(again, whole, prefix)
    } catch (error) {
      if (error instanceof Error)
        error.message = `behind entry ${length - 1} (${JSON.stringify(prefix.at(-1)).slice(0, 200)}): ${error.message}`
      throw error
    }
  }
  return whole
}

/** Live executions that the recorded steps leave to do. */
export function recordedSteps(entries: readonly Entry[], kind: 'model' | 'tool'): number {
  return entries.filter((entry) => entry.type === 'step' && entry.op.kind === kind).length
}
