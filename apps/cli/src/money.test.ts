/** What the built command says of usage, cost and budgets. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openSelvage, type Selvage } from 'selvage/core'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, '../dist/main.js')

let folder: string
let url: string
let selvage: Selvage

const cli = async (...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, '--url', url, ...args], {
    env: { ...process.env, COLUMNS: '200', NO_COLOR: '1' },
  })
  return stdout + stderr
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-money-'))
  url = `sqlite:${join(folder, 'runs.db')}`
  selvage = await openSelvage({ url })
})
afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

test('show and list say what a run used and costs, each model by its own price', async () => {
  const said = (inputTokens: number, outputTokens: number, model?: string) => ({
    metadata: { usage: { inputTokens, outputTokens, cacheReadInputTokens: 100_000 } },
    ...(model !== undefined && { model }),
  })
  const shape = { input: () => null, result: () => null }
  const handle = selvage.program(
    {
      name: 'writer',
      resume: 'fold',
      async run(durable) {
        // 300,000 fresh at 2.50, 100,000 cached at 1.25 and 20,000 out at 10 dollars for a million.
        await durable.step({ key: 'model#1', kind: 'model', name: 'gpt-4o' }, () => said(400_000, 20_000))
        await durable.step({ key: 'model#2', kind: 'model', name: 'gpt-4o' }, () => said(1_000, 1_000, 'home-made'))
      },
    },
    shape,
  )
  await (await handle.start(undefined, { runId: 'w' })).result()
  const usage = await selvage.run('w').usage()
  expect(usage.usd).toBeCloseTo(0.3 * 2.5 + 0.1 * 1.25 + 0.02 * 10, 9)
  expect(usage).toMatchObject({ calls: 2, totalTokens: 422_000, unpriced: ['home-made'] })
  expect(await cli('show', 'w')).toContain('used 422,000 tokens in 2 model calls, $1.07 and what home-made cost')
  expect(await cli('list', '--usage')).toMatch(/TOKENS\s+COST[\s\S]*422000\s+\$1\.07/)
  expect(JSON.parse(await cli('show', 'w', '--json')).usage).toMatchObject({ totalTokens: 422_000 })
})

test('show, list and raise: a budget that is used up, and given more', async () => {
  const slow = selvage.workflow('slow', (ctx) => ctx.step('a', () => 'made'), {
    budget: { wallClock: 0, onExceeded: 'ask' },
  })
  const run = await slow.start(undefined, { runId: 's' })
  while ((await selvage.approvals({ kind: 'budget' })).items.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const shown = await cli('show', 's')
  expect(shown).toContain('budget run:s 0ms of 0ms spent, 0ms left')
  expect(shown).toMatch(/selvage --url \S+ approve ap_\S+ {3}# as much again/)
  expect(await cli('list')).toMatch(/BUDGET[\s\S]*100% of 0ms/)
  expect(await cli('raise', 's', '--wall-clock', '10m')).toContain('run:s: 0ms of 10m spent')
  expect(await run.result()).toBe('made')
  await expect(cli('raise', 's')).rejects.toMatchObject({ code: 2 })
  await expect(cli('raise', 'tenant:nobody', '--usd', '1')).rejects.toMatchObject({ code: 3 })
  await expect(cli('raise', 's', '--usd', '-1')).rejects.toMatchObject({ code: 2 })
})
