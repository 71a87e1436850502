import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Script, ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { failureOf } from '../test/failure.ts'
import { quiet } from '../test/quiet.ts'
import { type AgentOptions, type Approval, openSelvage, type Run, type Selvage } from './index.ts'

let selvage: Selvage
beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:', logger: quiet })
})
afterEach(() => selvage.close())

/** Asks for the weather of Rome and Oslo in turns; `calls` times in all. */
const inTurns =
  (calls: number): Script =>
  (_messages, { answer }) =>
    answer > calls ? 'Enough.' : { tools: [{ name: 'weather', input: { city: answer % 2 === 1 ? 'Rome' : 'Oslo' } }] }

async function started(
  guard: AgentOptions['loopGuard'],
  script: Script,
  of: (call: number) => string = () => 'rain',
  asked: string[] = [],
) {
  const weather = tool({
    name: 'weather',
    description: 'Tells the weather.',
    inputSchema: z.object({ city: z.string() }),
    callback: ({ city }) => {
      asked.push(city)
      return of(asked.length)
    },
  })
  const handle = selvage.agent(
    'reporter',
    () => new Agent({ model: new ScriptedModel(script), tools: [weather], printer: false }),
    { effects: { weather: 'read' }, ...(guard !== undefined && { loopGuard: guard }) },
  )
  return { run: await handle.start('The weather?', { runId: 'r' }), asked }
}

test('stop: not in a row but in the run, with other calls in between; a retry counts anew', async () => {
  const { run, asked } = await started({ repeats: 3, onLoop: 'stop' }, inTurns(16))
  expect(await failureOf(run)).toMatchObject({
    code: 'LOOP_DETECTED',
    details: { runId: 'r', tool: 'weather', input: { city: 'Rome' }, repeats: 3 },
  })
  expect(asked).toHaveLength(6)
  await run.retry()
  expect(await failureOf(run)).toMatchObject({ code: 'LOOP_DETECTED', details: { input: { city: 'Oslo' } } })
  expect(asked).toHaveLength(7)
  await run.retry()
  expect(await failureOf(run)).toMatchObject({ details: { input: { city: 'Rome' } } })
  expect(asked).toHaveLength(12)
})

test('a call that gives something else is no loop', async () => {
  const { run, asked } = await started({ repeats: 2, onLoop: 'stop' }, inTurns(8), (call) => `rain ${call}`)
  expect(await run.result()).toMatchObject({ text: 'Enough.' })
  expect(asked).toHaveLength(8)
})

test('tell-model: the model is told instead, and goes on', async () => {
  const { run, asked } = await started({ repeats: 2, onLoop: 'tell-model' }, inTurns(8))
  expect(await run.result()).toMatchObject({ text: 'Enough.' })
  expect(asked).toEqual(['Rome', 'Oslo', 'Rome', 'Oslo'])
  const told = JSON.stringify(await run.conversation())
  expect(told.split('weather was not called: the same call gave the same result 2 times').length).toBe(5)
})

test('ask: each time the run goes on in another process; a yes makes the call, a no is told to the model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-loop-'))
  const url = `sqlite:${join(folder, 'a.db')}`
  const asked: string[] = []
  const goOn = async (): Promise<Run> => {
    await selvage.close()
    selvage = await openSelvage({ url, logger: quiet })
    return (await started({ repeats: 2, ask: { assignee: 'ops' } }, inTurns(7), undefined, asked)).run
  }
  const question = async (besides: readonly string[]): Promise<Approval> => {
    for (;;) {
      const found = (await selvage.approvals({ assignee: 'ops' })).items.find(({ id }) => !besides.includes(id))
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await goOn()
  const rome = await question([])
  expect(rome).toMatchObject({
    name: 'loop of weather',
    tool: 'weather',
    input: { city: 'Rome' },
    reason: { repeats: 2 },
  })
  expect(asked).toHaveLength(4)
  await (await goOn()).approve(rome.id)
  const oslo = await question([rome.id])
  expect(oslo.input).toEqual({ city: 'Oslo' })
  expect(asked).toHaveLength(5)
  const run = await goOn()
  await run.reject(oslo.id, { reason: 'It rains in Oslo.' })
  expect(await run.result()).toMatchObject({ text: 'Enough.' })
  expect(asked).toEqual(['Rome', 'Oslo', 'Rome', 'Oslo', 'Rome', 'Rome'])
  expect(JSON.stringify(await run.conversation())).toContain('It rains in Oslo.')
  rmSync(folder, { recursive: true, force: true })
})

test('what makes no sense is refused', async () => {
  await expect(started({ repeats: 0 }, [])).rejects.toThrow(/repeats: 0/)
  await expect(started({ repeats: 2, onLoop: 'panic' } as never, [])).rejects.toThrow(/onLoop: "panic"/)
  await expect(started({ times: 2 } as never, [])).rejects.toThrow(/no option "times"/)
})
