/** What keeps a process alive and what does not: real processes on the built package. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSelvage } from './core.ts'

let folder: string
let url: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-alive-'))
  url = `sqlite:${join(folder, 'a.db')}`
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Node's exit code where a top-level await is all that is left. */
const NOBODY_LEFT = 13

/** Runs a script that has `openSelvage` and `url`; what it prints is joined in `out`. */
function script(body: string): {
  readonly out: () => string
  readonly exited: Promise<unknown>
  readonly printed: Promise<unknown>
} {
  const source = `
    import { openSelvage } from ${JSON.stringify(join(import.meta.dirname, '../dist/core.js'))}
    const url = ${JSON.stringify(url)}
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'ignore'],
    cwd: import.meta.dirname,
  })
  let out = ''
  child.stdout.on('data', (text) => {
    out += text
  })
  return { out: () => out, printed: once(child.stdout, 'data'), exited: once(child, 'exit').then(([code]) => code) }
}

test.each([
  ['for a result', 'console.log(await run.result())', 'done'],
  ['for events', 'for await (const event of run.events()) console.log(event.type)', 'runCompleted'],
])('who waits %s lives until the run has ended, even if another process works on it', async (_for, wait, last) => {
  const waiting = script(`
    const selvage = await openSelvage({ url, work: false })
    const run = await selvage.workflow('greet', () => 0).start(undefined, { runId: 'r' })
    console.log('started')
    ${wait}
    await selvage.close()`)
  await waiting.printed
  const selvage = await openSelvage({ url })
  try {
    selvage.workflow('greet', async (ctx) => {
      await ctx.sleep(200)
      return 'done'
    })
    await selvage.work()
    expect(await waiting.exited).toBe(0)
    expect(waiting.out().trim().split('\n').at(-1)).toBe(last)
  } finally {
    await selvage.close()
  }
})

test('a worker lives until it is closed, and an opened Selvage that does nothing does not', async () => {
  const idle = script(`await openSelvage({ url, work: false })`)
  expect(await idle.exited).toBe(0)
  const worker = script(`
    const selvage = await openSelvage({ url })
    selvage.workflow('greet', () => {})
    await selvage.work()
    // Fires only if something else keeps the process alive.
    setTimeout(() => selvage.close().then(() => console.log('closed')), 100).unref()
    console.log('working')`)
  expect(await worker.exited).toBe(0)
  expect(worker.out()).toBe('working\nclosed\n')
})

test.each([
  ['that is done', {}, 0],
  ['that waits for a person', { wait: true, approvals: { charge: true } }, NOBODY_LEFT],
])('durable(): an agent %s keeps no process alive', async (_that, options, code) => {
  const agent = script(`
    import { Agent, tool } from '@strands-agents/sdk'
    import { ScriptedModel } from '@selvage/strands/testing'
    import { durable } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
    const model = new ScriptedModel([{ tools: [{ name: 'charge', input: {} }] }, 'Charged.'])
    const charge = tool({ name: 'charge', description: 'Charges.', inputSchema: { type: 'object' }, callback: () => 'ok' })
    const plugins = [durable({ runId: 'r', url, effects: { charge: 'once' }, ...${JSON.stringify(options)} })]
    console.log(String(await new Agent({ model, tools: [charge], plugins, printer: false }).invoke('Sell it')))`)
  expect(await agent.exited).toBe(code)
  expect(agent.out()).toBe(code === 0 ? 'Charged.\n' : '')
  await using selvage = await openSelvage({ url, work: false })
  expect((await selvage.approvals({ runId: 'r' })).items).toHaveLength(code === 0 ? 0 : 1)
})

test('durable(): a process lives until the next attempt of what failed', async () => {
  const agent = script(`
    import { Agent } from '@strands-agents/sdk'
    import { ScriptedModel } from '@selvage/strands/testing'
    import { durable } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
    const error = Object.assign(new Error('away'), { status: 503 })
    const model = new ScriptedModel((_, { call }) => (call === 1 ? { error } : 'Done.'))
    const plugins = [durable({ runId: 'r', url, retry: { initial: 300, jitter: 'none' } })]
    console.log(String(await new Agent({ model, plugins, printer: false }).invoke('Go')))`)
  expect(await agent.exited).toBe(0)
  expect(agent.out()).toBe('Done.\n')
})
