/** A goal loop: what its judge has said stands, and what its attempts are shown is the same in every process. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { type Agent, type AgentConfig, BeforeInvocationEvent, Message, TextBlock } from '@strands-agents/sdk'
import { GoalLoop } from '@strands-agents/sdk/vended-plugins/goal'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, outcomeOf, playAllPrefixes, type Scenario } from '../../test/scenario.ts'
import { MESSAGE } from '../conversation/fold.ts'
import { createSessionProgram } from '../programs/session-program.ts'
import { type Script, scriptedModel } from '../testing/index.ts'

const runtime = nodeRuntime()

/** Whose messages it is shown, in order: `uau` of a conversation with one answer. Looks first, if it is to. */
const shown =
  (looks: boolean): Script =>
  (messages) => {
    const roles = messages.map(({ role }) => role.at(0)).join('')
    const isNew = messages.at(-1)?.content.some((block) => block.type === 'textBlock') ?? false
    return looks && isNew
      ? { text: `I look, ${roles}.`, tools: [{ name: 'look', input: { n: messages.length } }] }
      : `answer ${roles}`
  }

function goal(
  ledger: Ledger,
  options: { preserveContext: boolean; verdict?: (judged: number) => boolean },
): AgentConfig {
  let judged = 0
  const model = scriptedModel(
    () => {
      ledger.tools.push('judged')
      const passed = options.verdict?.(++judged) ?? false
      return { tools: [{ name: 'strands_structured_output', input: { passed, feedback: 'more' } }] }
    },
    { modelId: 'judge' },
  )
  const { preserveContext } = options
  return {
    tools: [noting(ledger, 'look')],
    plugins: [new GoalLoop({ goal: 'be good', maxAttempts: 3, preserveContext, judge: { model } })],
  }
}

function modelSteps(entries: readonly Entry[], of: RegExp): number {
  return keysOf(entries).filter((key) => of.test(key)).length
}

const OWN = /(?:^|\/)model#\d+$/
const JUDGE = /(?:^|\/)beyond:judge@/

const CASES = [true, false].flatMap((preserveContext) => [true, false].map((looks) => ({ preserveContext, looks })))

describe.each(CASES)(
  'a goal loop with preserveContext: $preserveContext, tools: $looks',
  ({ preserveContext, looks }) => {
    const scenario: Scenario = { script: shown(looks), config: (ledger) => goal(ledger, { preserveContext }) }
    const answers = looks ? 2 : 1
    const last = preserveContext ? (looks ? 'uauauauauau' : 'uauau') : looks ? 'uuau' : 'uu'

    it('of a managed agent comes out the same from every entry of its journal', async () => {
      const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(whole))
        expect(again.ledger.modelCalls).toBe(3 * answers - modelSteps(prefix, OWN))
        expect(again.ledger.count('judged')).toBe(3 - modelSteps(prefix, JUDGE))
      })
      expect(whole.how).toMatchObject({ outcome: { ok: { text: `answer ${last}` } } })
      const { agent: bare } = makeAgent(whole.ledger, scenario.script, scenario.config?.(whole.ledger))
      await bare.invoke('go')
      expect(plain(whole.agent.messages)).toEqual(plain(bare.messages))
    })

    it('of an agent as a tool comes out the same from every entry of its journal', async () => {
      const whole = await playAllPrefixes(
        runtime,
        {
          script: [{ tools: [{ name: 'writer', input: { input: 'write' } }] }, 'Done.'],
          config: (ledger) => ({
            tools: [makeAgent(ledger, shown(looks), { name: 'writer', ...goal(ledger, { preserveContext }) }).agent],
          }),
        },
        (again, whole, prefix) => {
          expect(outcomeOf(again)).toEqual(outcomeOf(whole))
          expect(again.ledger.count('judged')).toBe(3 - modelSteps(prefix, JUDGE))
        },
      )
      expect(JSON.stringify(plain(whole.agent.messages))).toContain(`answer ${last}`)
    })

    it('of a session comes out the same from every entry of its journal', async () => {
      const answered = async (prefix: readonly Entry[]) => {
        const ledger = new Ledger()
        const engine = new MemoryEngine(runtime)
        let agent: Agent | undefined
        const program = createSessionProgram('chat', () => {
          agent = makeAgent(ledger, shown(looks), goal(ledger, { preserveContext })).agent
          return agent
        })
        await engine.start('s', { program: 'chat:session', input: null }, prefix)
        for (const id of ['m1', 'm2'])
          await engine.signal('s', { id, name: MESSAGE, payload: { input: `question ${id}` } })
        await engine.execute('s', program)
        return { ledger, entries: engine.entries('s'), messages: plain(agent?.messages ?? []) }
      }
      const whole = await answered([])
      expect(whole.ledger.count('judged')).toBe(6)
      for (let length = 1; length < whole.entries.length; length++) {
        const prefix = whole.entries.slice(0, length)
        const again = await answered(prefix)
        const where = JSON.stringify(prefix.at(-1)).slice(0, 150)
        expect(again.messages, where).toEqual(whole.messages)
        expect(again.ledger.modelCalls, where).toBe(6 * answers - modelSteps(prefix, OWN))
        expect(again.ledger.count('judged'), where).toBe(6 - modelSteps(prefix, JUDGE))
      }
    })

    it('with durable() keeps the recorded verdicts, whatever the judge would say today', async () => {
      const invoked = async (entries: readonly Entry[], verdict: (judged: number) => boolean) => {
        const process = new Process(await engineWith(runtime, entries), {
          script: shown(looks),
          config: (ledger) => goal(ledger, { preserveContext, verdict }),
        })
        // What a hook puts before the input is there in each attempt.
        process.agent.addHook(BeforeInvocationEvent, ({ agent }) => {
          if (agent.messages.length > 0) return
          agent.messages.push(new Message({ role: 'user', content: [new TextBlock('a note')] }))
          agent.messages.push(new Message({ role: 'assistant', content: [new TextBlock('noted')] }))
        })
        const texts: string[] = []
        for (const input of ['first', 'second']) texts.push(String(await process.invoke(input)))
        await process.plugin.detach()
        return { told: { texts, messages: plain(process.agent.messages) }, process }
      }
      const whole = await invoked([], (judged) => judged % 2 === 0)
      const entries = [...whole.process.engine.entries('q4')]
      expect(modelSteps(entries, JUDGE)).toBe(4)
      for (let length = 1; length <= entries.length; length++) {
        const prefix = entries.slice(0, length)
        const judged = modelSteps(prefix, JUDGE)
        // Those that are not recorded are what they were.
        const { told, process } = await invoked(prefix, (more) => (judged + more) % 2 === 0)
        const where = JSON.stringify(prefix.at(-1)).slice(0, 150)
        expect(told, where).toEqual(whole.told)
        expect(process.ledger.count('judged'), where).toBe(4 - judged)
        expect(process.ledger.modelCalls, where).toBe(4 * answers - modelSteps(prefix, OWN))
      }
      const ended = await invoked(entries, () => false)
      expect(ended.told).toEqual(whole.told)
      expect(ended.process.ledger).toMatchObject({ modelCalls: 0, tools: [] })
    })
  },
)
