import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ScriptedAnswer, ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { durable, openSelvage, type Selvage } from './index.ts'

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
