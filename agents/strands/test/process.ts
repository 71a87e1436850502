/** A program of a user: one agent with the plugin, in a process of its own. */
import type { Entry, Program, Runtime } from '@selvage/core'
import type { Agent, AgentConfig, AgentResult, AgentStreamEvent, InvokeArgs, InvokeOptions } from '@strands-agents/sdk'
import { createDurablePlugin, type DurableOptions, type DurablePlugin } from '../src/plugin.ts'
import type { Script } from '../src/testing/index.ts'
import { Ledger, makeAgent, noting } from './agents.ts'
import { MemoryEngine } from './memory-engine.ts'

/** Looks three times, then says what it was asked first. */
export const script: Script = (messages, { answer }) =>
  answer % 2 === 1
    ? { text: 'I look.', tools: [1, 2, 3].map((n) => ({ name: 'look', input: { n } })) }
    : `Seen all of ${/"text":"(\w+)"/.exec(JSON.stringify(messages[0]))?.[1]}.`

export class Process {
  readonly engine: MemoryEngine
  readonly ledger: Ledger
  readonly lines: string[] = []
  readonly agent: Agent
  readonly plugin: DurablePlugin

  constructor(
    engine: MemoryEngine,
    options: Partial<DurableOptions> & {
      script?: Script
      config?: (ledger: Ledger) => AgentConfig
      ledger?: Ledger
    } = {},
  ) {
    this.engine = engine
    const { script: given = script, config, ledger = new Ledger(), ...rest } = options
    this.ledger = ledger
    this.plugin = createDurablePlugin({ runId: 'q4', log: (line) => this.lines.push(line), ...rest }, async () => ({
      engine: engine.engine,
      createHost: (programs: () => readonly Program[]) => engine.host(programs),
    }))
    const more = config?.(this.ledger) ?? { tools: [noting(this.ledger, 'look')] }
    this.agent = makeAgent(this.ledger, given, { ...more, plugins: [...(more.plugins ?? []), this.plugin] }).agent
  }

  invoke(args: InvokeArgs, options?: InvokeOptions): Promise<AgentResult> {
    return this.agent.invoke(args, options)
  }

  async stream(args: InvokeArgs): Promise<AgentStreamEvent[]> {
    const events: AgentStreamEvent[] = []
    for await (const event of this.agent.stream(args)) events.push(event)
    return events
  }
}

/** An engine whose run has this journal. */
export async function engineWith(runtime: Runtime, entries: readonly Entry[]): Promise<MemoryEngine> {
  const engine = new MemoryEngine(runtime)
  if (entries.length > 0) await engine.start('q4', { program: 'inline:Strands Agent', input: null }, entries)
  return engine
}
