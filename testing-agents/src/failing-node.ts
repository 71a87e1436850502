/** A graph one of whose nodes fails for good: the run fails, and goes on inside of that node when it is retried. */
import { createOrchestratorProgram } from '@selvage/strands'
import { type ScriptedAnswer, scriptedModel } from '@selvage/strands/testing'
import { inside, type Section } from '@selvage/testing/conformance'
import { Agent } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { expect, test } from 'vitest'
import { noting } from './noting.ts'

export const failingNode: Section = {
  title: 'agents: a graph whose node fails',
  register({ under, manifest }) {
    const done: string[] = []
    let isBroken = true
    const program = createOrchestratorProgram(
      'graph',
      'team',
      () => {
        const agent = (id: string, script: readonly ScriptedAnswer[]): Agent => {
          const model = scriptedModel((_, { answer }) => {
            if (id === 'write' && answer === 2 && isBroken) throw new Error('no network')
            done.push(`${id} model ${answer}`)
            return script[answer - 1] ?? `${id} is done.`
          })
          const tools = [noting('note', (what) => void done.push(`${id} ${what}`))]
          return new Agent({ id, name: id, model, tools, printer: false })
        }
        const once: readonly ScriptedAnswer[] = [{ tools: [{ name: 'note', input: { n: 1 } }] }]
        return new Graph({
          id: 'team',
          nodes: [agent('plan', []), agent('write', once), agent('print', [])],
          edges: [
            ['plan', 'write'],
            ['write', 'print'],
          ],
        })
      },
      { log: () => {} },
    )
    const opened = inside(under, [program])

    test('the run fails with the error of the node, and nothing behind it has begun', async () => {
      expect(await opened().play('r', 'team', 'Write it.')).toMatchObject({
        error: { message: expect.stringMatching(/Node "write".*no network/) },
      })
      expect(done).toEqual(['plan model 1', 'write model 1', 'write note 1'])
    })

    const title = 'retried, it goes on inside of that node: what was done before it, and in it, stands'
    if (manifest.abilities.retry !== true)
      test(title, ({ skip }) => skip('its manifest says that it cannot retry runs'))
    else
      test(title, async () => {
        isBroken = false
        await opened().workAnew()
        await opened().engine.retry?.('r')
        const { outcome } = await opened().until('r', (seen) => seen.outcome !== undefined)
        expect(outcome).toHaveProperty('ok')
        expect(done).toEqual(['plan model 1', 'write model 1', 'write note 1', 'write model 2', 'print model 1'])
      })
  },
}
