import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ScriptedAnswer, ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { durable, openSelvage, type Selvage } from '../index.ts'

let folder: string
let selvage: Selvage

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-inline-'))
  selvage = await openSelvage({ url: `sqlite:${join(folder, 'a.db')}` })
})

afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The program, as one process runs it: an agent and its plugin. */
function program(script: readonly ScriptedAnswer[]) {
  const charge = tool({ name: 'charge', description: 'Charges.', inputSchema: z.object({}), callback: () => 'charged' })
  const plugin = durable({ runId: 'r', selvage, effects: { charge: 'once' }, approvals: { charge: true } })
  const model = new ScriptedModel(script)
  return { agent: new Agent({ name: 'a', model, tools: [charge], plugins: [plugin], printer: false }), plugin }
}

const where = async () => {
  const { status, inline } = await selvage.run('r').status()
  return { status, inline }
}

test('a turn that ended is idle, whether its process is there or not, and so is each one after it', async () => {
  const { agent, plugin } = program(['one', 'two'])
  await agent.invoke('a')
  expect(await where()).toEqual({ status: 'running', inline: { turn: 1, state: 'idle' } })
  await plugin.detach()
  expect(await where()).toEqual({ status: 'pending', inline: { turn: 1, state: 'idle' } })
  await agent.invoke('b')
  await plugin.detach()
  expect(await where()).toEqual({ status: 'pending', inline: { turn: 2, state: 'idle' } })
})

test('a turn is at work while it runs, and interrupted once it was given up before its end', async () => {
  let during: unknown
  const look = async () => {
    during = await where()
  }
  const tools = Array.from({ length: 6 }, () => ({ tools: [{ name: 'nothing', input: {} }] }))
  const broken = { before: look, error: new Error('no model') }
  await program([...tools, broken])
    .agent.invoke('a')
    .catch(() => {})
  expect(during).toEqual({ status: 'running', inline: { turn: 1, state: 'working' } })
  // Its first entry lies some pages back.
  expect((await selvage.run('r').status()).entries).toBeGreaterThan(10)
  expect(await where()).toEqual({ status: 'pending', inline: { turn: 1, state: 'interrupted' } })
})

test('a turn that asks a person says so until the answer; then its program is to be run again', async () => {
  await program([{ tools: [{ name: 'charge', input: {} }] }]).agent.invoke('a')
  expect(await where()).toEqual({ status: 'pending', inline: { turn: 1, state: 'asking' } })
  const [question] = (await selvage.approvals()).items
  await selvage.run('r').approve(question?.id ?? '')
  expect(await where()).toEqual({ status: 'pending', inline: { turn: 1, state: 'interrupted' } })
})

test('runs that end by themselves have a status that says it all', async () => {
  const { agent, plugin } = program(['one'])
  await agent.invoke('a')
  await plugin.detach()
  await selvage.run('r').cancel('enough')
  await agent.invoke('b').catch(() => {})
  expect(await where()).toEqual({ status: 'cancelled', inline: undefined })
  const echo = selvage.workflow('echo', () => 1)
  expect(await (await echo.start()).status()).not.toHaveProperty('inline')
})

test('who forgets an agent gives its run up; who keeps it, or waits for it, does not', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const look = tool({ name: 'look', description: 'Looks.', inputSchema: z.object({}), callback: () => 'seen' })
  const agent = (runId: string, script: readonly ScriptedAnswer[], wait = false) =>
    new Agent({
      name: 'a',
      model: new ScriptedModel(script),
      tools: [look],
      plugins: [durable({ runId, selvage, wait, approvals: wait ? { look: true } : {} })],
      printer: false,
    })
  const looks: ScriptedAnswer[] = [{ tools: [{ name: 'look', input: {} }] }, 'done', 'done again']
  // Each in a function of its own, which holds its agent no longer than it runs.
  const uses = {
    invoked: async () => await agent('invoked', looks).invoke('a'),
    streamed: async () => {
      for await (const _ of agent('streamed', looks).stream('a'));
    },
    left: async () => {
      for await (const { type } of agent('left', looks).stream('a')) if (type === 'afterModelCallEvent') break
    },
    twice: async () => {
      const twice = agent('twice', looks)
      await twice.invoke('a')
      await twice.invoke('b')
    },
    failed: async () =>
      await agent('failed', [{ error: new Error('no model') }])
        .invoke('a')
        .catch(() => {}),
  }
  for (const use of Object.values(uses)) await use()
  const kept = agent('kept', looks)
  await kept.invoke('a')
  // Nobody has it but the run itself, which waits for a person.
  const result = agent('asks', looks, true).invoke('a')
  await expect.poll(async () => (await selvage.approvals()).items).toHaveLength(1)

  const status = async (runId: string) => (await selvage.run(runId).status()).status
  const statuses = async () => {
    collect()
    return await Promise.all(Object.keys(uses).map(status))
  }
  await expect.poll(statuses, { timeout: 20_000 }).toEqual(Object.keys(uses).map(() => 'pending'))
  expect(await Promise.all(['kept', 'asks'].map(status))).toEqual(['running', 'running'])
  expect(String(await agent('invoked', looks).invoke('a'))).toBe('done')
  expect(String(await kept.invoke('b'))).toBe('done again')
  const [question] = (await selvage.approvals()).items
  await selvage.run('asks').approve(question?.id ?? '')
  expect(String(await result)).toBe('done')
})
