/** Whatever takes options refuses one that it does not know: no misspelling is ignored. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from '@strands-agents/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backUp, durable, inspect, openSelvage, type Selvage, verifyWebhook, webhook } from './index.ts'

let folder: string
let selvage: Selvage

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-options-'))
  selvage = await openSelvage({ url: `sqlite:${join(folder, 'a.db')}`, linkSecret: 'a secret of many letters' })
})

afterAll(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

const misspelt = { efect: 'once' } as never
const echo = (_ctx: unknown, input: unknown) => input
const agent = () => new Agent()
const url = 'https://example.org'

/** How each is named in what it refuses with, and how it is called with options. */
const surfaces: { readonly [what: string]: (options: never) => unknown } = {
  'openSelvage()': (options) => openSelvage(options),
  'inspect()': (options) => inspect(options),
  'backUp()': (options) => backUp(options),
  'durable()': (options) => durable(options),
  'webhook()': (options) => webhook(options),
  'verifyWebhook()': (options) => verifyWebhook(options),
  'Workflow "w"': (options) => selvage.workflow('w', echo, options),
  'Agent program "a"': (options) => selvage.agent('a', agent, options),
  'Graph program "g"': (options) => selvage.graph('g', () => never(), options),
  'Swarm program "s"': (options) => selvage.swarm('s', () => never(), options),
  'Pipeline "p"': (options) => selvage.pipeline('p', [selvage.reference('w')], options),
  'reference() to "w"': (options) => selvage.reference('w', options),
  'start() of "w"': (options) => selvage.reference('w').start(1, options),
  'session() of "a"': (options) => selvage.reference('a').session('s', options),
  'A message for session s': (options) => selvage.reference('a').session('s').send('hi', options),
  'The handler of topic "mail"': (options) => selvage.outbox('mail', () => {}, options),
  'Tenant "t"': (options) => selvage.tenant('t', options),
  'The budget of tenant "t"': (budget) => selvage.tenant('t', { budget }),
  'The price of model "m"': (price) => selvage.prices({ m: price }),
  'work()': (options) => selvage.work(options),
  'runs()': (query) => selvage.runs(query),
  'approvals()': (query) => selvage.approvals(query),
  'messages()': (query) => selvage.messages(query),
  'effects()': (query) => selvage.effects(query),
  'retryAll()': (query) => selvage.retryAll(query),
  'discardAll()': (query) => selvage.discardAll(query),
  'raiseBudget()': (options) => selvage.raiseBudget('run:r', { tokens: 1 }, options),
  'raiseBudget() of run r': (options) => selvage.run('r').raiseBudget({ tokens: 1 }, options),
  'result() of run r': (options) => selvage.run('r').result(options),
  'events() of run r': (options) => selvage.run('r').events(options).next(),
  'signal() to run r': (options) => selvage.run('r').signal('go', 1, options),
  'approve() of run r': (options) => selvage.run('r').approve('ap_1', options),
  'reject() of run r': (options) => selvage.run('r').reject('ap_1', options),
  'respond() of run r': (options) => selvage.run('r').respond('cb_1', 1, options),
  'delegate() of run r': (options) => selvage.run('r').delegate('ap_1', options),
  'usage() of run r': (options) => selvage.run('r').usage(options),
  'discard() of run r': (options) => selvage.run('r').discard(options),
  'journal() of run r': (options) => selvage.run('r').journal(options),
}

function never(): never {
  throw new Error('never made')
}

async function refusal(call: () => unknown): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

describe('options', () => {
  test.each(Object.entries(surfaces))('%s knows no misspelling', async (what, call) => {
    const message = expect.stringContaining(`${what} has no option "efect". It knows `)
    expect(await refusal(() => call(misspelt))).toMatchObject({ code: 'BAD_INPUT', message })
  })

  test.each(Object.entries(surfaces))('%s takes no text, list or null for options', async (what, call) => {
    const message = expect.stringContaining(`${what} was given`)
    for (const given of ['once', ['once'], null]) {
      expect(await refusal(() => call(given as never)), String(given)).toMatchObject({ code: 'BAD_INPUT', message })
    }
  })
})

test('an option that is undefined was not given', async () => {
  expect(await selvage.runs({ efect: undefined } as never)).toEqual({ items: [] })
})

test('a fork and a link of a question know no misspelling', async () => {
  const flow = selvage.workflow('asks', (ctx) => ctx.approval('ok'))
  const run = await flow.start(undefined, { runId: 'asking' })
  for await (const event of run.events()) if (event.type === 'questionOpened') break
  const [question] = (await selvage.approvals()).items
  const id = question?.id ?? ''
  const { token } = await selvage.approvalLink(id, { action: 'any' })
  const calls: { readonly [what: string]: () => unknown } = {
    'A fork of run asking': () => run.fork(misspelt),
    'approvalLink()': () => selvage.approvalLink(id, { action: 'any', efect: 1 } as never),
    'answerLink()': () => selvage.answerLink(token, { approved: true, efect: 1 } as never),
  }
  for (const [what, call] of Object.entries(calls)) {
    const message = expect.stringContaining(`${what} has no option "efect"`)
    expect(await refusal(call), what).toMatchObject({ code: 'BAD_INPUT', message })
  }
  await run.cancel()
})

test('what durable() takes besides those of the plugin is in its hint', () => {
  const hint = expect.stringMatching(/url.*selvage/)
  expect(() => durable({ runId: 'r', ...(misspelt as object) })).toThrow(expect.objectContaining({ hint }))
  expect(() => durable({ runId: 'r', url: 'sqlite::memory:', selvage })).toThrow(/not both/)
})

test('a webhook takes all that it knows', () => {
  const options = { url, secret: 'a secret of many letters', events: [], name: 'n', headers: {}, retry: {}, timeout: 1 }
  expect(() => webhook(options)).not.toThrow()
})
