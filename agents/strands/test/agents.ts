/** Agents for tests: a scripted model, tools that count what they do, all of it made anew for each process. */
import { Agent, type AgentConfig, type JSONValue, type Message, type Tool, tool } from '@strands-agents/sdk'
import { type Script, type ScriptedModel, scriptedModel } from '../src/testing/index.ts'

/** What was done outside, over all processes of a run. */
export class Ledger {
  readonly model: number[] = []
  readonly tools: string[] = []

  get modelCalls(): number {
    return this.model.length
  }

  count(entry: string): number {
    return this.tools.filter((done) => done === entry).length
  }
}

/** A tool that notes in the ledger that its body ran. */
export function noting(
  ledger: Ledger,
  name: string,
  body: (input: { readonly n?: number | undefined; readonly text?: string | undefined }) => unknown = ({ n }) =>
    `${name} ${n}`,
): Tool {
  return tool({
    name,
    description: `Does ${name}.`,
    inputSchema: { type: 'object', properties: { n: { type: 'number' }, text: { type: 'string' } } },
    callback: async (given) => {
      const input = given as { n?: number; text?: string }
      ledger.tools.push(`${name}:${input.n ?? input.text ?? ''}`)
      return (await body(input)) as JSONValue
    },
  })
}

export function makeAgent(
  ledger: Ledger,
  script: Script,
  config: AgentConfig = {},
): { agent: Agent; model: ScriptedModel } {
  const model = scriptedModel(async (messages, call) => {
    const answer = typeof script === 'function' ? await script(messages, call) : script[call.answer - 1]
    if (answer === undefined) throw new Error(`no answer ${call.answer}`)
    ledger.model.push(call.answer)
    return answer
  })
  return { agent: new Agent({ model, printer: false, ...config }), model }
}

/** Messages without what is random or differs from run to run. */
export function plain(messages: readonly Message[]): unknown[] {
  return messages.map((message) => {
    const { role, content } = message.toJSON()
    return { role, content }
  })
}

/**
 * What a provider would say against a conversation: that it does not begin with the user, that two messages of one role
 * follow each other, once those are dropped that say nothing, that a call of a tool has no result behind it, or a result no
 * call.
 */
export function faultsOf(all: readonly Message[]): string[] {
  const messages = all.filter(({ content }) => content.some(isSent))
  return [...messages, undefined].flatMap((message, index) => {
    const before = messages[index - 1]
    const [calls, results] = [idsIn(before, 'toolUseBlock'), idsIn(message, 'toolResultBlock')]
    return [
      ...(message?.role === (before?.role ?? 'assistant') ? [`message ${index}: ${message.role} again`] : []),
      ...(calls === results ? [] : [`message ${index}: results [${results}] behind calls [${calls}]`]),
    ]
  })
}

/** Some take no thoughts back, and some no text that is blank. */
function isSent(block: Message['content'][number]): boolean {
  return block.type === 'textBlock' ? block.text.trim() !== '' : block.type !== 'reasoningBlock'
}

function idsIn(message: Message | undefined, type: 'toolUseBlock' | 'toolResultBlock'): string {
  const ids = (message?.content ?? []).flatMap((block) => (block.type === type ? [block.toolUseId] : []))
  return ids.toSorted().join()
}
