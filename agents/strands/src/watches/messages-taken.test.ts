import { nodeRuntime } from '@selvage/runtime-node'
import { type Agent, BeforeModelCallEvent, NullConversationManager, type Tool, tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { noting } from '../../test/agents.ts'
import { play, type Scenario } from '../../test/scenario.ts'
import { mayBeEdited, messagesOf } from './messages-taken.ts'

const runtime = nodeRuntime()
const cycle = { tools: [{ name: 'look', input: {} }] }

const reading = (body: () => void): Tool =>
  tool({
    name: 'look',
    description: 'Looks.',
    inputSchema: { type: 'object' },
    callback: () => {
      body()
      return 'seen'
    },
  })

async function isTaken(scenario: Partial<Scenario>): Promise<boolean> {
  const { agent, how } = await play(runtime, {
    script: [cycle, cycle, 'Done.'],
    config: (ledger) => ({ conversationManager: new NullConversationManager(), tools: [noting(ledger, 'look')] }),
    options: { effects: { look: 'read' } },
    ...scenario,
  })
  expect(how).toHaveProperty('outcome.ok')
  expect(messagesOf(agent)).toHaveLength(6)
  mayBeEdited(agent)
  return mayBeEdited(agent)
}

describe('the messages of an agent', () => {
  it('are not taken by the loop of the SDK, nor by us', async () => {
    expect(await isTaken({})).toBe(false)
  })

  it('are not taken by a hook that does not ask for them', async () => {
    const prepare = (agent: Agent): void => void agent.addHook(BeforeModelCallEvent, ({ agent }) => void agent.appState)
    expect(await isTaken({ prepare })).toBe(false)
  })

  it.each([
    ['asks for them', (agent: Agent): unknown => agent.messages],
    [
      'lets something ask for them that nobody waits for',
      (agent: Agent): unknown => setImmediate(() => agent.messages),
    ],
  ])('are taken by a hook that %s', async (_, body) => {
    const prepare = (agent: Agent): void => void agent.addHook(BeforeModelCallEvent, () => void body(agent))
    expect(await isTaken({ prepare })).toBe(true)
  })

  it('are taken by the body of a tool, wherever it has the agent from', async () => {
    const agents: Agent[] = []
    const config = () => ({
      conversationManager: new NullConversationManager(),
      tools: [reading(() => void agents.at(-1)?.messages)],
    })
    expect(await isTaken({ config, prepare: (agent) => agents.push(agent) })).toBe(true)
  })

  it('are taken by whoever reads them outside of the invocation', async () => {
    const { agent } = await play(runtime, { script: ['Done.'] })
    expect(agent.messages).toHaveLength(2)
    expect(mayBeEdited(agent)).toBe(true)
  })

  it('are taken where they are exchanged', async () => {
    const prepare = (agent: Agent): void => {
      agent.addHook(BeforeModelCallEvent, () => {
        agent.messages = [...messagesOf(agent)]
      })
    }
    expect(await isTaken({ prepare })).toBe(true)
  })
})
