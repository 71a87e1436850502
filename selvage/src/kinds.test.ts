/** What is of another kind than it must be is refused where it is given, and not when it is first needed: behind a crash, say. */
import { Agent } from '@strands-agents/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Context, durable, type OpenOptions, openSelvage, type Selvage, webhook } from './index.ts'

let selvage: Selvage

beforeAll(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterAll(() => selvage.close())

const badInput = (says: string) => ({ code: 'BAD_INPUT', message: expect.stringContaining(says) })
/** As plain JavaScript gives it. */
const any = (given: unknown): never => given as never

describe('where a Selvage is opened', () => {
  test.each<[object, string]>([
    [{ durability: 'x' }, 'durability of openSelvage() is "x"'],
    [{ durability: 'FULL' }, 'durability of openSelvage() is "FULL"'],
    [{ concurrency: 0 }, 'concurrency of openSelvage() is 0'],
    [{ concurrency: '4' }, 'concurrency of openSelvage() is "4"'],
    [{ maxFibers: Number.NaN }, 'maxFibers of openSelvage() is NaN'],
    [{ work: 'false' }, 'work of openSelvage() is "false", and must be true or false'],
    [{ create: 0 }, 'create of openSelvage() is 0'],
    [{ clock: {} }, 'clock of openSelvage() is an object without a function now'],
    [{ logger: { info() {}, warn() {} } }, 'logger of openSelvage() is an object without a function error'],
    [{ prices: 5 }, 'prices of openSelvage() was given 5'],
    [{ tenants: ['acme'] }, 'tenants of openSelvage() was given a list'],
    [{ notify: 5 }, 'notify of openSelvage() is no list'],
    [
      { notify: [webhook({ url: 'https://example.org', secret: 'x'.repeat(20), events: any(5) })] },
      'events that are no list',
    ],
  ])('%o', async (options, says) => {
    const opened = openSelvage({ url: 'sqlite::memory:', ...(options as OpenOptions) })
    await expect(opened).rejects.toMatchObject(badInput(says))
  })
})

describe('where a program is registered', () => {
  test.each<[string, () => unknown, string]>([
    [
      'an agent in place of its factory',
      () => selvage.agent('a', any(new Agent())),
      'Agent program "a" was given no factory',
    ],
    ['a graph in place of its factory', () => selvage.graph('g', any({})), 'Graph program "g" was given no factory'],
    ['effects that are none', () => selvage.agent('b', () => new Agent(), { effects: any(5) }), 'effects was given 5'],
    [
      'approvals in a list',
      () => selvage.agent('c', () => new Agent(), { approvals: any(['x']) }),
      'approvals was given a list',
    ],
    [
      'a policy for changed code that is none',
      () => selvage.agent('d', () => new Agent(), { onCodeChange: any('Stop') }),
      'onCodeChange of Agent program "d" is "Stop"',
    ],
    ['a fallback alone', () => selvage.agent('e', () => new Agent(), { fallback: any({}) }), 'fallback is no list'],
    ['a retry that is none', () => selvage.agent('f', () => new Agent(), { retry: any(5) }), 'retry was given 5'],
    ['a plugin without options', () => durable(any(undefined)), 'durable() needs a runId'],
    [
      'a plugin with a tenant that is a number',
      () => durable({ runId: 'r', tenant: any(5) }),
      'tenant of durable() is 5',
    ],
    ['a tenant without options', () => selvage.tenant('t', any(undefined)), 'Tenant "t" was given null'],
    [
      'a retry of a topic',
      () => selvage.outbox('mail', () => {}, { retry: any(5) }),
      'retry of topic "mail" was given 5',
    ],
    [
      'a schema that is none',
      () => selvage.workflow('w', any(echo), { input: any(5) }),
      'input of workflow "w" is no schema',
    ],
    [
      'a log that is none',
      () => selvage.workflow('w', any(echo), { log: any(5) }),
      'log of workflow "w" is 5, and must be a function',
    ],
    ['a reference by number', () => selvage.reference(any(5)), 'The name of a program is 5'],
    [
      'a version that is a number',
      () => selvage.reference('w', { version: any(5) }),
      "The version of program 'w' is 5",
    ],
  ])('%s', (_, register, says) => {
    expect(register).toThrow(expect.objectContaining(badInput(says)))
  })
})

describe('where a run is started, read and awaited', () => {
  test('is named', async () => {
    const echoed = selvage.workflow('echo', echo)
    await expect(echoed.start(1, { runId: any(null) })).rejects.toMatchObject(badInput('A run id is null'))
    await expect(echoed.start(1, { tags: any('x') })).rejects.toMatchObject(
      badInput('is "x", and must be an object of texts'),
    )
    await expect(echoed.start(1, { tags: any(['x']) })).rejects.toMatchObject(
      badInput('is a list, and must be an object of texts'),
    )
    expect((await selvage.runs()).items).toEqual([])
    const run = await echoed.start(1, { runId: 'r' })
    await run.result()
    const journal = 'of journal() of run r is'
    await expect(run.journal({ from: any('x') })).rejects.toMatchObject(badInput(`from ${journal} "x"`))
    await expect(run.journal({ limit: 0 })).rejects.toMatchObject(badInput(`limit ${journal} 0`))
    await expect(run.usage({ tree: any('no') })).rejects.toMatchObject(badInput('must be true or false'))
    const noSignal = 'abortSignal of result() of run r is 5 without a function addEventListener'
    await expect(run.result({ abortSignal: any(5) })).rejects.toMatchObject(badInput(noSignal))
    await expect(run.approve('ap_x', { by: any(5) })).rejects.toMatchObject(badInput("'by' of the answer to ap_x is 5"))
    await expect(run.reject('ap_x', { reason: any({}) })).rejects.toMatchObject(badInput("'reason' of the answer"))
    await expect(run.signal('go', 1, { id: '' })).rejects.toMatchObject(badInput("Signal 'go' has an empty id"))
    await expect(run.cancel(any(5))).rejects.toMatchObject(badInput('The reason to cancel run r is 5'))
    await expect(selvage.transaction(any(5))).rejects.toMatchObject(badInput('transaction() was given no function'))
    await expect(selvage.work({ concurrency: any('5') })).rejects.toMatchObject(
      badInput('concurrency of work() is "5"'),
    )
  })
})

describe('inside of a run', () => {
  test.each<[string, (ctx: Context) => unknown, string]>([
    [
      'reconcile',
      (ctx) => ctx.step('s', () => 1, { effect: 'once', reconcile: any(5) }),
      'reconcile is 5, and must be a function',
    ],
    [
      'jitter',
      (ctx) => ctx.step('s', () => 1, { retry: { jitter: any('None') } }),
      'jitter of a retry policy is "None"',
    ],
    ['a quorum', (ctx) => ctx.approval('a', { quorum: 1, of: any('ann') }), 'has an of that is no list'],
    [
      'the key of a child',
      (ctx) => ctx.child(selvage.reference('echo'), 1, { key: any(5) }),
      'The key of a child of run',
    ],
    ['the name of a change', (ctx) => ctx.changed(any(5)), 'The name of a change of run'],
    ['a handler', (ctx) => ctx.onCancel(any(5)), 'was given no function'],
    ['the name of an approval', (ctx) => ctx.approval(any(5)), ': its name is 5, and must be a text'],
  ])('%s', async (what, body, says) => {
    const program = selvage.workflow(`inside ${what}`, async (ctx: Context) => void (await body(ctx)))
    const run = await program.start(undefined)
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED', cause: badInput(says) })
  })
})

function echo(_: unknown, input: unknown): unknown {
  return input
}
