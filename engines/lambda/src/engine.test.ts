/** One process for each invocation, begun and killed by the loopback service, and what is special about this engine. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { Engine, Outcome, Signal } from '@selvage/core'
import { type LambdaServiceOptions, LambdaTestService } from '@selvage/testing/servers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { folderBlobs } from '../test/folder-blobs.ts'
import { type LambdaEngine, type LambdaOptions, lambdaEngine } from './engine.ts'

interface Deployed {
  readonly service?: LambdaServiceOptions
  readonly options?: Partial<LambdaOptions>
  /** False: neither the function nor its callers have any. */
  readonly blobs?: boolean
  readonly env?: { readonly [name: string]: string }
}

describe('on Lambda, one process for each invocation', { timeout: 120_000 }, () => {
  let folder: string
  let service: LambdaTestService
  let client: LambdaClient
  const opened: LambdaEngine[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'selvage-lambda-'))
  })
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
    client?.destroy()
    await service?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A function, and somebody who calls it. */
  async function deploy({
    service: place = {},
    options = {},
    blobs = true,
    env = {},
  }: Deployed = {}): Promise<LambdaEngine> {
    service = await LambdaTestService.open({
      handler: new URL('../test/function.ts', import.meta.url).href,
      secondMs: 50,
      ...place,
      env: {
        SELVAGE_TEST_FOLDER: folder,
        SELVAGE_TEST_OPTIONS: JSON.stringify(options),
        SELVAGE_TEST_BLOBS: blobs ? 'yes' : 'no',
        ...env,
      },
    })
    return caller({ ...options, ...(blobs && { blobs: folderBlobs(folder) }) })
  }

  function caller(options: Partial<LambdaOptions>): LambdaEngine {
    client = new LambdaClient({
      endpoint: service.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    const poll = { firstMs: 5, longestMs: 40 }
    const engine = lambdaEngine({ functionName: 'runs', client, poll, ...options })
    opened.push(engine)
    return engine
  }

  const effects = (): readonly string[] =>
    existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8').trimEnd().split('\n') : []

  async function until(engine: Engine, runId: string, status: string): Promise<void> {
    for (;;) {
      const seen = await engine.describe(runId)
      if (seen.status === status) return
      await engine.changed(runId, seen)
    }
  }

  async function ended(engine: Engine, runId: string): Promise<Outcome | undefined> {
    for (;;) {
      const { status, outcome } = await engine.describe(runId)
      if (outcome !== undefined) return outcome
      await engine.changed(runId, { status })
    }
  }

  /** Resolves when no process is at work: what goes on from here was in the service's hands alone. */
  async function idle(): Promise<void> {
    while (service.working.length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  const item = (n: number): Signal => ({ id: `i${n}`, name: 'item', payload: n })
  /** The invocations that drove runs, by their processes. */
  const drivers = (): readonly number[] =>
    service.invocations.filter(({ name }) => /_\d+$/.test(name)).map(({ pid }) => pid)

  it('I8, I11: a process dies in an effect once; another one goes on, and none is there while the run waits', async () => {
    const engine = await deploy()
    await engine.start('m', { program: 'mortal', input: null })
    await until(engine, 'm', 'suspended')
    await idle()
    expect(effects()).toEqual(['charge 1'])
    expect(await engine.describe('m')).toMatchObject({ waitsFor: { signals: ['go'] } })
    await engine.signal('m', { id: 'go', name: 'go', payload: null })
    expect(await ended(engine, 'm')).toEqual({ ok: 'OUTCOME_UNKNOWN' })
    const [, mail = ''] = effects()
    const [first, second] = drivers()
    expect(new Set(drivers()).size).toBe(drivers().length)
    expect([first, second].map((pid) => `mail ${pid}`)).not.toContain(mail)
  })

  it('an invocation whose time is over is killed, and its step made again', async () => {
    const engine = await deploy({ service: { timeoutMs: 2_500 } })
    await engine.start('t', { program: 'stuck', input: null })
    await expect.poll(() => effects().length, { timeout: 30_000 }).toBeGreaterThan(1)
    await engine.cancel('t', 'enough')
    expect(await ended(engine, 't')).toEqual({ cancelled: 'enough' })
    expect(new Set(effects()).size).toBe(effects().length)
  })

  it('I1: a run longer than an invocation goes on in the next one, with no step cut off', async () => {
    const engine = await deploy({ service: { timeoutMs: 4_000 }, options: { reserveMs: 2_500, namesSteps: false } })
    await engine.start('long', { program: 'paced', input: { steps: 12, ms: 300 } })
    expect(await ended(engine, 'long')).toEqual({ ok: 78 })
    expect(effects()).toEqual(Array.from({ length: 12 }, (_, n) => `s${n + 1} 1`))
    expect(drivers().length).toBeGreaterThan(1)
  })

  it('I4: more senders than callbacks are open, before anything has begun: none is lost, none counts twice', async () => {
    const engine = await deploy()
    await engine.start('c', { program: 'collect', input: 6 })
    const sent = [1, 2, 3, 4, 5, 6].map((n) => engine.signal('c', item(n)))
    expect(await Promise.all(sent)).toEqual(sent.map(() => ({ accepted: true })))
    expect(await engine.signal('c', { ...item(3), payload: 33 })).toMatchObject({
      accepted: false,
      first: { payload: 3 },
    })
    const outcome = (await ended(engine, 'c')) as { ok: number[] }
    expect(outcome.ok.toSorted()).toEqual([1, 2, 3, 4, 5, 6])
  })

  it.each([true, false])('rule 8: it goes on in another execution before one is full (blobs: %s)', async (blobs) => {
    const engine = await deploy({
      blobs,
      options: { rotateAfter: { operations: 14 } },
      service: { limits: { operations: 30 }, pageSize: 5 },
    })
    await engine.start('r', { program: 'count', input: 25 })
    const { createdAt } = await engine.describe('r')
    expect(await ended(engine, 'r')).toEqual({ ok: 325 })
    expect(effects()).toEqual(Array.from({ length: 25 }, (_, n) => `s${n + 1} 1`))
    const entries = await engine.journal('r', 0)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, seq) => seq))
    expect((await engine.journal('r', 10, 3)).map(({ seq }) => seq)).toEqual([10, 11, 12])
    const generations = service.executions.filter(({ name }) => name.startsWith('r_'))
    expect(generations.length).toBeGreaterThan(3)
    const counts = { steps: 25, entries: entries.length }
    expect(await engine.describe('r')).toMatchObject({ ...counts, status: 'completed', createdAt })
    expect(await engine.start('r', { program: 'count', input: 25 })).toEqual({ created: false })
  })

  it('I4: signals to a run that changes executions, and whose process dies among them, are taken in their order', async () => {
    const mark = join(folder, 'died')
    const engine = await deploy({ options: { rotateAfter: { operations: 12 } }, env: { SELVAGE_TEST_MORTAL: mark } })
    await engine.start('s', { program: 'collect', input: 5 })
    for (let n = 1; n <= 5; n++) await engine.signal('s', item(n))
    expect(await ended(engine, 's')).toEqual({ ok: [1, 2, 3, 4, 5] })
    expect(existsSync(mark)).toBe(true)
    expect(service.executions.filter(({ name }) => /^s_.*_\d+$/.test(name)).length).toBeGreaterThan(1)
  })

  it('large values are in the blobs', async () => {
    const engine = await deploy()
    await engine.start('l', { program: 'large', input: 8 * 1024 * 1024 })
    expect(await ended(engine, 'l')).toEqual({ ok: 8 * 1024 * 1024 })
    const [run] = service.executions
    expect(JSON.stringify(run?.events).length).toBeLessThan(20_000)
  })

  it('without blobs what is too large is refused, by its step', async () => {
    const engine = await deploy({ blobs: false })
    await engine.start('fits', { program: 'large', input: 240 * 1024 })
    await engine.start('large', { program: 'large', input: 300 * 1024 })
    expect(await ended(engine, 'large')).toMatchObject({
      error: { code: 'STEP_FAILED', cause: { code: 'UNSUPPORTED', message: expect.stringContaining('lambda') } },
    })
    expect(await ended(engine, 'fits')).toEqual({ ok: 240 * 1024 })
    const big = { id: 'big', name: 'item', payload: 'x'.repeat(300 * 1024) }
    await engine.start('waits', { program: 'collect', input: 1 })
    await expect(engine.signal('waits', big)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    const start = { program: 'count', input: { text: 'x'.repeat(300 * 1024) } }
    await expect(engine.start('input', start)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('a large signal goes by the blobs', async () => {
    const engine = await deploy()
    await engine.start('g', { program: 'collect', input: 1 })
    const payload = 'x'.repeat(300 * 1024)
    await engine.signal('g', { id: 'big', name: 'item', payload })
    // The result, `["x…"]`, as well.
    expect(await ended(engine, 'g')).toEqual({ ok: { $s: ['blob', expect.any(String), 300 * 1024 + 4] } })
  })

  it('a failed run is retried in an execution of its own, once', async () => {
    const engine = await deploy({ blobs: false })
    await engine.start('f', { program: 'fails', input: null })
    expect(await ended(engine, 'f')).toMatchObject({ error: { code: 'STEP_FAILED' } })
    await engine.retry('f')
    expect(await ended(engine, 'f')).toMatchObject({ error: { code: 'STEP_FAILED' } })
    expect(effects()).toEqual(['first', 'second', 'second'])
    const results = await Promise.allSettled([engine.retry('f'), engine.retry('f')])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    await ended(engine, 'f')
    expect((await engine.journal('f', 0)).filter(({ type }) => type === 'reopen').length).toBe(2)
  })

  it('a native wait is one, and a start is not before its time', async () => {
    const engine = await deploy()
    await engine.start('z', { program: 'sleep', input: 900 })
    expect(await ended(engine, 'z')).toEqual({ ok: false })
    const names = service.executions[0]?.events.map(({ EventType }) => EventType)
    expect(names).toEqual(expect.arrayContaining(['WaitStarted', 'WaitSucceeded']))
    await engine.start('never', { program: 'count', input: 1 }, { startAt: Date.now() + 3_600_000 })
    expect(await engine.describe('never')).toMatchObject({ status: 'pending' })
    await engine.cancel('never', 'not any more')
    expect(await ended(engine, 'never')).toEqual({ cancelled: 'not any more' })
    await engine.start('soon', { program: 'count', input: 1 }, { startAt: Date.now() + 100 })
    expect(await ended(engine, 'soon')).toEqual({ ok: 1 })
    expect(effects()).toEqual(['s1 1'])
  })

  it('steps go by their names in the console, and a cancel reaches one that is running', async () => {
    const engine = await deploy()
    await engine.start('n', { program: 'count', input: 2 })
    await ended(engine, 'n')
    const names = service.executions[0]?.events.map(({ Name }) => Name)
    expect(names).toEqual(expect.arrayContaining(['s1', 's2']))
    await engine.start('p', { program: 'patient', input: null })
    await expect.poll(() => effects().includes('begun'), { timeout: 20_000 }).toBe(true)
    await engine.cancel('p', 'enough')
    expect(await ended(engine, 'p')).toEqual({ cancelled: 'enough' })
  })

  it('lists runs and questions, newest first', async () => {
    const engine = await deploy()
    for (const n of [1, 2, 3]) {
      await engine.start(`ask/${n}`, { program: 'ask', input: n, tags: { n: String(n) } })
      await until(engine, `ask/${n}`, 'suspended')
    }
    await engine.signal('ask/2', { id: 'ap_ask/2', name: 'ap_ask/2', payload: { approved: true } })
    await ended(engine, 'ask/2')
    expect((await engine.list({})).items.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'ask/3 suspended',
      'ask/2 completed',
      'ask/1 suspended',
    ])
    const page = await engine.list({ limit: 1, status: ['suspended'] })
    expect(await engine.list({ limit: 1, status: ['suspended'], after: page.next ?? '' })).toMatchObject({
      items: [{ id: 'ask/1' }],
    })
    expect((await engine.questions({ status: 'open' })).items.map(({ id }) => id)).toEqual(['ap_ask/3', 'ap_ask/1'])
    expect((await engine.questions({ tag: { key: 'n', value: '1' } })).items.map(({ id }) => id)).toEqual(['ap_ask/1'])
    expect(await engine.question('ap_ask/2')).toMatchObject({ status: 'answered', answer: { id: 'ap_ask/2' } })
    await expect(engine.question('ap_nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('an execution that is stopped in the console is a cancelled run', async () => {
    const engine = await deploy()
    await engine.start('x', { program: 'collect', input: 1 })
    await until(engine, 'x', 'suspended')
    service.executions[0]?.end('STOPPED', { error: { ErrorMessage: 'by hand' } })
    expect(await engine.describe('x')).toMatchObject({ status: 'cancelled', outcome: { cancelled: 'by hand' } })
    await expect(engine.signal('x', item(1))).rejects.toMatchObject({ code: 'RUN_ENDED' })
  })

  it('rule 11: whoever sees that the service ended a child tells its parent', async () => {
    const engine = await deploy()
    const item = { program: 'collect', input: 1 }
    for (const runId of ['seen', 'listed']) {
      await engine.start('p', item)
      await engine.start(runId, { ...item, parent: { runId: 'p', key: 'c' } })
      await until(engine, runId, 'suspended')
      const execution = service.executions.find(({ name }) => name.startsWith(`${runId}_`) && name.endsWith('_0'))
      execution?.end('TIMED_OUT', { error: { ErrorMessage: 'ExecutionTimeout' } })
      if (runId === 'seen') await engine.describe(runId)
      else await engine.list({})
      const name = `child:${runId}`
      const first = { name, payload: { error: { code: 'RUN_TIMEOUT' } } }
      expect(await engine.signal('p', { id: name, name, payload: null })).toMatchObject({ accepted: false, first })
    }
    // The calls that were made late wake it; it has no use for them and waits on.
    await until(engine, 'p', 'suspended')
  })

  it('rule 11: no look fails where the parent cannot be told, and the next one tells it', async () => {
    const told: unknown[] = []
    await deploy()
    const engine = caller({ onError: (error) => void told.push(error) })
    const item = { program: 'collect', input: 1 }
    await engine.start('p', item)
    await engine.start('c', { ...item, parent: { runId: 'p', key: 'c' } })
    await until(engine, 'c', 'suspended')
    const signal = vi.spyOn(engine, 'signal').mockRejectedValueOnce(new Error('no network'))
    const execution = service.executions.find(({ name }) => name.startsWith('c_') && name.endsWith('_0'))
    execution?.end('TIMED_OUT', { error: { ErrorMessage: 'ExecutionTimeout' } })
    for (const errors of [1, 1, 1]) {
      expect(await engine.describe('c')).toMatchObject({ status: 'failed' })
      expect(told).toHaveLength(errors)
    }
    expect(told).toMatchObject([{ message: 'no network' }])
    expect(signal.mock.calls.map(([runId]) => runId)).toEqual(['p', 'p'])
    const name = 'child:c'
    expect(await engine.signal('p', { id: name, name, payload: null })).toMatchObject({ accepted: false })
  })

  it('refuses events that are no runs, and says what is wrong with its options', async () => {
    const engine = await deploy()
    const command = { FunctionName: 'runs', InvocationType: 'Event', DurableExecutionName: 'mine' } as const
    await client.send(new InvokeCommand({ ...command, Payload: Buffer.from('{"order":7}') }))
    await expect.poll(() => service.executions[0]?.status, { timeout: 20_000 }).toBe('FAILED')
    expect(service.executions[0]?.error).toMatchObject({ ErrorMessage: expect.stringContaining('{"order":7}') })
    expect(() => lambdaEngine()).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    for (const rotateAfter of [{ operations: 40_000 }, { bytes: 0 }, { bytes: Number.NaN }]) {
      expect(() => caller({ rotateAfter })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    }
    await service.close()
    await expect(engine.describe('r')).rejects.toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE' })
  })
})
