/** What the built command says of usage, cost and budgets. */
import type { Selvage } from 'selvage/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Place } from '../test/place.ts'

let place: Place
let selvage: Selvage
/** Named, and not in its environment: what it proposes to type names it, too. */
const cli: Place['cli'] = (...args) => place.cliAt(undefined, '--url', place.url, ...args)

beforeEach(async () => {
  place = await Place.open()
  selvage = place.selvage
})
afterEach(() => place.close())

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
  expect((await cli('show', 'w')).out).toContain('used 422,000 tokens in 2 model calls, $1.07 and what home-made cost')
  expect((await cli('list', '--usage')).out).toMatch(/TOKENS\s+COST[\s\S]*422000\s+\$1\.07/)
  expect(JSON.parse((await cli('show', 'w', '--json')).out).usage).toMatchObject({ totalTokens: 422_000 })
})

test('show, list and raise: a budget that is used up, and given more', async () => {
  const slow = selvage.workflow('slow', (ctx) => ctx.step('a', () => 'made'), {
    budget: { wallClock: 0, onExceeded: 'ask' },
  })
  const run = await slow.start(undefined, { runId: 's' })
  while ((await selvage.approvals({ kind: 'budget' })).items.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const { out: shown } = await cli('show', 's')
  expect(shown).toContain('budget run:s 0ms of 0ms spent, 0ms left')
  expect(shown).toMatch(/selvage --url \S+ approve ap_\S+ {3}# as much again/)
  expect((await cli('list')).out).toMatch(/BUDGET[\s\S]*100% of 0ms/)
  expect((await cli('raise', 's', '--wall-clock', '10m')).out).toContain('run:s: 0ms of 10m spent')
  expect(await run.result()).toBe('made')
  expect(await cli('raise', 's')).toMatchObject({ code: 2 })
  expect(await cli('raise', 'tenant:nobody', '--usd', '1')).toMatchObject({ code: 3 })
  expect(await cli('raise', 's', '--usd', '-1')).toMatchObject({ code: 2 })
})
