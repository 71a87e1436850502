/** An agent that calls three tools at once, one of which a person approves first. */
import { createAgentProgram } from '@selvage/strands'
import { type ScriptedAnswer, scriptedModel } from '@selvage/strands/testing'
import { inside, type Section } from '@selvage/testing/conformance'
import { Agent } from '@strands-agents/sdk'
import { expect, test } from 'vitest'
import { noting } from './noting.ts'

const SCRIPT: readonly ScriptedAnswer[] = [
  {
    text: 'I look, and pay.',
    tools: [
      { name: 'look_up', input: { n: 1 } },
      { name: 'pay', input: { n: 2 } },
      { name: 'look_up', input: { n: 3 } },
    ],
  },
]

export const assistant: Section = {
  title: 'agents: tools at once, one of them when a person has approved it',
  skip: ({ abilities }) => (abilities.approvals ? undefined : 'its manifest says that it keeps no approvals'),
  register({ under }) {
    const done: string[] = []
    const program = createAgentProgram(
      'assistant',
      ({ runId }) => {
        const note = (what: string): void => void done.push(`${runId} ${what}`)
        const model = scriptedModel((messages, { answer }) => {
          note(`model ${answer}`)
          const results = messages.at(-1)?.content.map((block) => JSON.stringify(block)) ?? []
          return SCRIPT[answer - 1] ?? (results.join().includes('too much') ? 'Not paid.' : 'Paid.')
        })
        return new Agent({ model, tools: [noting('look_up', note), noting('pay', note)], printer: false })
      },
      { effects: { look_up: 'read', pay: 'once' }, approvals: { pay: true }, log: () => {} },
    )
    const opened = inside(under, [program])
    const of = (runId: string): readonly string[] =>
      done.flatMap((line) => (line.startsWith(`${runId} `) ? [line.slice(runId.length + 1)] : [])).sort()

    async function asked(runId: string): Promise<string> {
      await opened().start(runId, 'assistant', 'Look, and pay.')
      await opened().suspended(runId)
      const page = await opened().engine.questions?.({ runId, status: 'open' })
      const [question] = page?.items ?? []
      expect(question).toMatchObject({ runId, status: 'open' })
      return question?.id ?? ''
    }

    test('its siblings have run when it asks; approved, it goes on in a worker that has never seen it', async () => {
      const id = await asked('r1')
      expect(of('r1')).toEqual(['look_up 1', 'look_up 3', 'model 1'])
      await opened().workAnew()
      await opened().engine.signal('r1', { id, name: id, payload: { approved: true }, by: 'ann' })
      expect(await opened().ended('r1')).toMatchObject({ ok: { text: 'Paid.' } })
      // No model and no tool is asked again: the agent goes on where it was.
      expect(of('r1')).toEqual(['look_up 1', 'look_up 3', 'model 1', 'model 2', 'pay 2'])
    })

    test('rejected, the tool does not run, and the model is told why', async () => {
      const id = await asked('r2')
      await opened().engine.signal('r2', { id, name: id, payload: { approved: false, reason: 'too much' } })
      expect(await opened().ended('r2')).toMatchObject({ ok: { text: 'Not paid.' } })
      expect(of('r2')).toEqual(['look_up 1', 'look_up 3', 'model 1', 'model 2'])
    })
  },
}
