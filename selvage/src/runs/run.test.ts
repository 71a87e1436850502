import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { openSelvage, RetryableError, type Selvage } from '../core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterEach(async () => {
  await selvage.close()
})

test('a workflow runs to its result', async () => {
  const greet = selvage.workflow('greet', (ctx, name: string) => ctx.step('hello', () => `hello ${name}`))
  const run = await greet.start('bob', { tenant: 'acme', tags: { a: '1' } })
  expect(run.id).toMatch(/^run_[0-9a-f]{22}$/)
  expect(await run.result()).toBe('hello bob')
  expect(await run.status()).toMatchObject({
    status: 'completed',
    program: 'greet',
    tenant: 'acme',
    tags: { a: '1' },
    input: 'bob',
    outcome: { ok: 'hello bob' },
  })
})

test('what JSON lacks comes back as it was', async () => {
  const echo = selvage.workflow('echo', (_ctx, input: { readonly at: Date; readonly big: bigint }) => input)
  const input = { at: new Date(0), big: 12n }
  const run = await echo.start(input)
  expect(await run.result()).toEqual(input)
  expect((await run.status()).input).toEqual(input)
})

test('values that went to blobs are read from outside as if they had not', async () => {
  const long = 'x'.repeat(100_000)
  const big = selvage.workflow('big', (ctx) => ctx.step('make', () => long))
  const run = await big.start()
  expect(await run.result()).toBe(long)
  expect(await selvage.run(run.id).result()).toBe(long)
  const step = (await run.journal()).find((entry) => entry.type === 'step')
  expect(step).toMatchObject({ outcome: { ok: long } })
})

test('the same id and input is the same run; another input is a conflict', async () => {
  let runs = 0
  const count = selvage.workflow('count', (ctx, _input: number) => ctx.step('count', () => ++runs))
  await (await count.start(1, { runId: 'a' })).result()
  expect(await (await count.start(1, { runId: 'a' })).result()).toBe(1)
  await expect(count.start(2, { runId: 'a' })).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
})

test('an input that its schema refuses starts nothing', async () => {
  const schema = z.object({ amount: z.number().default(5) })
  const pay = selvage.workflow('pay', (_ctx, { amount }) => amount, { input: schema })
  await expect(pay.start({ amount: 'a lot' } as never, { runId: 'p' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await expect(selvage.run('p').status()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // What is recorded is what the schema gave back.
  const run = await pay.start({} as never)
  expect(await run.result()).toBe(5)
  expect((await run.status()).input).toEqual({ amount: 5 })
})

test.each(['', 'a\nb', 'x'.repeat(501)])('the run id %j is refused', async (runId) => {
  const echo = selvage.workflow('echo', (_ctx, input: string) => input)
  await expect(echo.start('a', { runId })).rejects.toMatchObject({ code: 'BAD_INPUT' })
})

test('a failed run rejects with the error of the run as its cause, and is retried from the step that failed', async () => {
  let broken = true
  let before = 0
  const fragile = selvage.workflow('fragile', async (ctx) => {
    await ctx.step('before', () => ++before)
    return ctx.step('break', () => {
      if (broken) throw new TypeError('no luck')
      return 'luck'
    })
  })
  const run = await fragile.start(undefined, { runId: 'f' })
  const failure = await run.result().catch((error: unknown) => error)
  expect(failure).toMatchObject({ name: 'RunError', code: 'RUN_FAILED', details: { runId: 'f', step: 'break' } })
  expect(String((failure as Error).cause)).toContain('no luck')
  expect((failure as Error).message).toBe(
    "Run f failed in step 'break': no luck. A retry of the run makes again what failed; what was done stands.",
  )
  broken = false
  await run.retry()
  expect(await run.result()).toBe('luck')
  expect(before).toBe(1)
})

test('a cancelled run rejects with RUN_CANCELLED and the reason', async () => {
  const wait = selvage.workflow('wait', (ctx) => ctx.signal('never'))
  const run = await wait.start()
  await run.cancel('no longer needed')
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_CANCELLED',
    details: { runId: run.id, reason: 'no longer needed' },
  })
})

test('signals: buffered, first id wins, $-names refused', async () => {
  const listen = selvage.workflow('listen', async (ctx) => [await ctx.signal('a'), await ctx.signal('a')])
  const run = await listen.start()
  expect(await run.signal('a', 1, { id: 'x', by: 'me' })).toEqual({ accepted: true })
  expect(await run.signal('a', 2, { id: 'x' })).toMatchObject({ accepted: false, first: { payload: 1, by: 'me' } })
  await expect(run.signal('$cancel')).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await run.signal('a', 3)
  expect(await run.result()).toEqual([1, 3])
})

test('who stops waiting for a result does not stop the run', async () => {
  const wait = selvage.workflow('wait', (ctx) => ctx.signal('go'))
  const run = await wait.start()
  const leave = new AbortController()
  const waiting = run.result({ abortSignal: leave.signal })
  leave.abort(new Error('bored'))
  await expect(waiting).rejects.toThrow('bored')
  await run.signal('go', 'on')
  expect(await run.result()).toBe('on')
})

test('a child is named by the handle of its program', async () => {
  const double = selvage.workflow('double', (_ctx, n: number) => n * 2, { version: '2' })
  const sum = selvage.workflow('sum', async (ctx, ns: readonly number[]) => {
    const doubled = await Promise.all(ns.map((n, index) => ctx.child(double, n, { key: `d${index}` })))
    return doubled.reduce((a, b) => a + b, 0)
  })
  const run = await sum.start([1, 2, 3], { runId: 's' })
  expect(await run.result()).toBe(12)
  const children = await selvage.runs({ parent: 's' })
  expect(children.items.map((child) => child.id).sort()).toEqual(['s/d0', 's/d1', 's/d2'])
})

test('a start time and a deadline: a Date, a moment or a time from now', async () => {
  const wait = selvage.workflow('wait', (ctx) => ctx.signal('never'))
  const deadline = Date.now() + 50
  const soon = await wait.start(undefined, { deadline: new Date(deadline) })
  await expect(soon.result()).rejects.toMatchObject({ code: 'DEADLINE', details: { runId: soon.id, deadline } })
  expect(await soon.status()).toMatchObject({ status: 'cancelled', deadline })
  const patient = await wait.start(undefined, { deadline: '2h' })
  await patient.cancel('enough')
  await expect(patient.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
  const later = await wait.start(undefined, { startAt: '2h' })
  expect((await later.status()).status).toBe('pending')
  await expect(wait.start(undefined, { startAt: 'tomorrow' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
})

test('effects of a run: the ledger follows from its journal', async () => {
  let attempts = 0
  const shop = selvage.workflow('shop', async (ctx) => {
    await ctx.step('look', () => 1, { effect: 'read' })
    await ctx.step('reserve', () => {
      attempts += 1
      if (attempts === 1) throw new RetryableError('busy', { after: 1 })
      return 'ok'
    })
    await ctx.step('charge', () => 'paid', { effect: 'once' })
    await ctx.step('ship', () => Promise.reject(new Error('no truck')), { effect: 'once' }).catch(() => {})
  })
  const run = await shop.start()
  await run.result()
  const { items } = await selvage.effects({ runId: run.id })
  expect(items.map(({ step, effect, state, attempt }) => ({ step, effect, state, attempt }))).toEqual([
    { step: 'reserve', effect: 'idempotent', state: 'done', attempt: 2 },
    { step: 'charge', effect: 'once', state: 'done', attempt: 1 },
    { step: 'ship', effect: 'once', state: 'failed', attempt: 1 },
  ])
  expect(new Set(items.map((item) => item.id)).size).toBe(3)
  expect((await selvage.effects({ runId: run.id, state: 'failed' })).items.map((item) => item.step)).toEqual(['ship'])
  expect((await selvage.effects({ runId: run.id, effect: 'read' })).items.map((item) => item.step)).toEqual(['look'])
  await expect(selvage.effects({ runId: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('registering twice is refused; another version is another program', () => {
  selvage.workflow('a', () => 1)
  selvage.workflow('a', () => 2, { version: '2' })
  expect(() => selvage.workflow('a', () => 3)).toThrow(expect.objectContaining({ code: 'ALREADY_REGISTERED' }))
})

test('work: false starts runs and answers them, and leaves them to others', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-run-'))
  const url = `sqlite:${join(folder, 'a.db')}`
  const front = await openSelvage({ url, work: false })
  try {
    await expect(front.work()).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const run = await front.workflow('greet', () => 'from the front').start()
    expect((await run.status()).status).toBe('pending')
    const result = run.result()
    const back = await openSelvage({ url })
    try {
      await back.work()
      // Registered after work began: it reaches the worker.
      back.workflow('greet', () => 'from the back')
      expect(await result).toBe('from the back')
    } finally {
      await back.close()
    }
  } finally {
    await front.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a child that hands back more than an entry holds is read from outside as it was', async () => {
  const long = 'x'.repeat(100_000)
  const part = selvage.workflow('part', () => long)
  const whole = selvage.workflow('whole', (ctx) => ctx.child(part, undefined, { key: 'part' }))
  const run = await whole.start()
  expect(await run.result()).toBe(long)
  const payloads: unknown[] = []
  for await (const event of run.events()) if (event.type === 'signalReceived') payloads.push(event.payload)
  expect(payloads).toEqual([{ ok: long }])
  expect((await run.journal()).find((entry) => entry.type === 'signal')).toMatchObject({
    signal: { payload: { ok: long } },
  })
})

test('a program that others register is started, answered and called as a child by its name and version', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-run-'))
  const url = `sqlite:${join(folder, 'a.db')}`
  const front = await openSelvage({ url })
  const back = await openSelvage({ url })
  try {
    const input = z.object({ amount: z.number() })
    const pay = front.reference<{ readonly amount: number }, boolean>('pay', { version: '2', input })
    await expect(pay.start({ amount: 'much' } as never)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const run = await pay.start({ amount: 12 })
    expect(front.programs()).toEqual([])
    expect((await run.status()).status).toBe('pending')
    expect(await (await front.reference('pay').start(null, { runId: 'other' })).status()).not.toHaveProperty('version')

    back.workflow('pay', async (ctx, { amount }) => (await ctx.approval('pay', { input: { amount } })).approved, {
      version: '2',
      input,
    })
    await back.work()
    for await (const event of run.events()) {
      if (event.type === 'questionOpened') await run.approve(event.question.id)
    }
    expect(await run.result()).toBe(true)
    // No worker has that version.
    expect((await front.run('other').status()).status).toBe('pending')

    const double = back.workflow('double', (_ctx, n: number) => n * 2)
    const twice = back.reference<number, number>(double.name)
    const whole = back.workflow('whole', (ctx, n: number) => ctx.child(twice, n))
    expect(await (await whole.start(4)).result()).toBe(8)
  } finally {
    await front.close()
    await back.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
