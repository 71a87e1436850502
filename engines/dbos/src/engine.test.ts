/** What only this engine can show: its database is killed as well, workers stand still, its console is used. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import type { Engine, Outcome } from '@selvage/core'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { programs } from '../test/programs.ts'
import { DATABASE, openIn } from '../test/under-test.ts'
import type { DbosEngine, DbosOptions } from './engine.ts'

const missing = noPostgres()
if (missing !== undefined) console.info(`dbos: skipped: ${missing}`)

describe.skipIf(missing !== undefined)('on DBOS', { timeout: 120_000 }, () => {
  let server: PostgresTestServer
  let url: string
  let folder: string
  const opened: DbosEngine[] = []
  const workers: ChildProcess[] = []
  const effects: string[] = []
  beforeAll(async () => {
    server = await PostgresTestServer.open()
    url = await server.createDatabase()
    process.env[DATABASE] = url
  }, 60_000)
  afterAll(() => server.close())
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'selvage-dbos-engine-'))
    effects.length = 0
  })
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
    for (const worker of workers.splice(0)) await killed(worker)
    rmSync(folder, { recursive: true, force: true })
  })

  async function open(options: Partial<DbosOptions> = {}): ReturnType<typeof openIn> {
    const place = await openIn(folder, { leaseMs: 1_000, ...options })
    opened.push(place.engine)
    return place
  }

  /** A worker in this process. */
  async function working(
    options: Partial<DbosOptions> = {},
    act: (line: string) => void | Promise<void> = (line) => void effects.push(line),
  ): Promise<DbosEngine> {
    const { engine, host } = await open(options)
    await engine.serve(host(programs(act)))
    return engine
  }

  /** One in a process of its own; its effects are lines in a file. */
  function worker(): ChildProcess {
    const child = spawn(process.execPath, [fileURLToPath(new URL('../test/worker.ts', import.meta.url)), folder], {
      stdio: ['pipe', 'pipe', openSync(join(folder, 'log'), 'a')],
    })
    workers.push(child)
    return child
  }

  function done(): readonly string[] {
    const file = join(folder, 'effects')
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  }

  async function killed(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async function until(engine: Engine, runId: string, status: string): Promise<void> {
    for (;;) {
      const seen = await engine.describe(runId)
      if (seen.status === status) return
      await engine.changed(runId, seen)
    }
  }

  async function steps(engine: Engine, runId: string, count: number): Promise<void> {
    for (;;) {
      const seen = await engine.describe(runId)
      if (seen.steps >= count) return
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

  async function query<Row>(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql, [...values])).rows as Row[]
    } finally {
      await client.end()
    }
  }

  it('I1: a run whose worker was killed goes on in another one, which does nothing again', async () => {
    const { engine: client } = await open()
    await client.start('r', { program: 'count', input: 60 })
    const first = worker()
    await steps(client, 'r', 10)
    await killed(first)
    const recorded = (await client.journal('r', 0)).flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    const second = await working()
    expect(await ended(second, 'r')).toEqual({ ok: 1_830 })
    expect(effects.filter((line) => recorded.includes(line.split(' ')[0] ?? ''))).toEqual([])
    expect(recorded.length).toBeGreaterThanOrEqual(10)
  })

  it('I3: a worker that stood still writes nothing when it wakes up, and works on', async () => {
    const { engine: client } = await open()
    await client.start('r', { program: 'count', input: 60 })
    const frozen = worker()
    await steps(client, 'r', 5)
    frozen.kill('SIGSTOP')
    const second = await working()
    expect(await ended(second, 'r')).toEqual({ ok: 1_830 })
    const journal = await client.journal('r', 0)
    const before = done()
    await second.close()
    frozen.kill('SIGCONT')
    await client.start('next', { program: 'count', input: 3 })
    expect(await ended(client, 'next')).toEqual({ ok: 6 })
    expect(await client.journal('r', 0)).toEqual(journal)
    expect(journal.map(({ seq }) => seq)).toEqual(journal.map((_, index) => index))
    // What it had in flight may be made, at most: the step that it stood still in.
    const late = done().slice(before.length)
    expect(late.slice(-3)).toEqual(['s1 1', 's2 1', 's3 1'])
    expect(late.length).toBeLessThanOrEqual(4)
  })

  it('an effect `once` of a worker that stood still is not made by the one that takes the run over', async () => {
    const begun = Promise.withResolvers<void>()
    const { engine: client } = await open()
    await client.start('c', { program: 'charge', input: null })
    await client.signal('c', { id: 'go', name: 'go', payload: null })
    await client.signal('c', { id: 'end', name: 'end', payload: null })
    const engine = await working({}, async () => {
      begun.resolve()
      await new Promise(() => {})
    })
    await begun.promise
    // As if it had been declared dead.
    await query(`delete from ${schema()}.worker`)
    expect(await ended(engine, 'c')).toMatchObject({ error: { code: 'OUTCOME_UNKNOWN' } })
  })

  it('I1, I9: worker and server are killed in turn, and what was recorded is not done again', async () => {
    if (!server.isOwn) return
    const { engine } = await open({ onError: () => {} })
    await engine.start('r', { program: 'count', input: 200 })
    for (const round of [1, 2, 3]) {
      const child = worker()
      await steps(engine, 'r', (await engine.describe('r')).steps + 4)
      if (round % 2 === 1) {
        await server.kill()
        await expect(engine.describe('r')).rejects.toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE' })
        await server.start()
        await steps(engine, 'r', (await engine.describe('r')).steps + 4)
      }
      await killed(child)
    }
    const recorded = (await engine.journal('r', 0)).flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    const last = await working({ onError: () => {} })
    expect(await ended(last, 'r')).toEqual({ ok: 20_100 })
    expect(effects.filter((line) => recorded.includes(line.split(' ')[0] ?? ''))).toEqual([])
  })

  it('I8: a run that waits for long is a row; whoever is there goes on with it', async () => {
    const first = await working({ lingerMs: 0 })
    await first.start('c', { program: 'charge', input: null })
    await until(first, 'c', 'suspended')
    await first.close()
    const [row] = await query<{ status: string }>(`select status from dbos.workflow_status
      where workflow_uuid = (select workflow from ${schema()}.run where id = 'c')`)
    expect(row?.status).toBe('DELAYED')
    const { engine: client } = await open()
    await client.signal('c', { id: 'go', name: 'go', payload: null })
    await client.signal('c', { id: 'end', name: 'end', payload: null })
    const second = await working()
    expect(await ended(second, 'c')).toEqual({ ok: 'charged' })
    expect(effects).toEqual(['charge'])
  })

  it('a worker that stops leaves what it has to the next one at once', async () => {
    const first = await working()
    await first.start('r', { program: 'count', input: 60 })
    await steps(first, 'r', 5)
    await first.close()
    const made = effects.length
    const { engine: client } = await open()
    expect(await client.journal('r', 0)).toHaveLength(made + 1)
    expect(await ended(await working(), 'r')).toEqual({ ok: 1_830 })
    expect(effects).toHaveLength(60)
  })

  it('rule 8: a long history is renewed, and a cold worker goes on with all of it', async () => {
    const rotateAfter = { advances: 7 }
    const first = await working({ rotateAfter })
    await first.start('r', { program: 'count', input: 30 })
    await steps(first, 'r', 16)
    await first.close()
    // DBOS keeps what has ended for as long as it is told to.
    const names = await query<{ workflow_uuid: string }>(`select workflow_uuid from dbos.workflow_status
      where status = 'SUCCESS' and workflow_uuid like '${schema()}:r#%'`)
    expect(names.length).toBeGreaterThan(2)
    const console_ = await DBOSClient.create({ systemDatabaseUrl: url })
    await console_.deleteWorkflows(names.map(({ workflow_uuid }) => workflow_uuid))
    await console_.destroy()
    const second = await working({ rotateAfter })
    expect(await ended(second, 'r')).toEqual({ ok: 465 })
    const entries = await second.journal('r', 0)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index))
    expect(entries.filter(({ type }) => type === 'step').length).toBe(30)
    expect((await second.journal('r', 10, 3)).map(({ seq }) => seq)).toEqual([10, 11, 12])
  })

  it('steps go by their names in the console', async () => {
    const engine = await working()
    await engine.start('names', { program: 'count', input: 2 })
    await ended(engine, 'names')
    const console_ = await DBOSClient.create({ systemDatabaseUrl: url })
    const rows = await console_.listWorkflowSteps(`${schema()}:names#0`)
    await console_.destroy()
    expect(rows?.map(({ name }) => name)).toEqual(expect.arrayContaining(['s1', 's2']))
  })

  it('a run that is cancelled in the console is cancelled, also in a step', async () => {
    const begun = Promise.withResolvers<void>()
    const engine = await working({}, () => begun.resolve())
    await engine.start('c', { program: 'patient', input: null })
    await begun.promise
    const console_ = await DBOSClient.create({ systemDatabaseUrl: url })
    await console_.cancelWorkflow(`${schema()}:c#0`)
    await console_.destroy()
    expect(await ended(engine, 'c')).toMatchObject({ cancelled: 'cancelled in DBOS' })
  })

  it('a cancel reaches a step that is running', async () => {
    const begun = Promise.withResolvers<void>()
    const engine = await working({}, () => begun.resolve())
    await engine.start('c2', { program: 'patient', input: null })
    await begun.promise
    await engine.cancel('c2', 'enough')
    expect(await ended(engine, 'c2')).toMatchObject({ cancelled: 'enough' })
    await engine.cancel('c2', 'again')
  })

  it.each([1_024, 8 * 1_024 * 1_024])('a value of %i bytes goes through', async (bytes) => {
    const engine = await working()
    const runId = `large-${bytes}`
    await engine.start(runId, { program: 'large', input: bytes })
    expect(await ended(engine, runId)).toEqual({ ok: bytes })
    const [row] = await query<{ size: number }>(`select max(length(output)) as size from dbos.operation_outputs
      where workflow_uuid = '${schema()}:${runId}#0'`)
    expect(row?.size).toBeLessThan(40_000)
  })

  it('starts not before its time, and not at all if it is cancelled before', async () => {
    const engine = await working()
    await engine.start('soon', { program: 'count', input: 1 }, { startAt: Date.now() + 300 })
    await engine.start('never', { program: 'count', input: 1 }, { startAt: Date.now() + 3_600_000 })
    expect(await engine.describe('never')).toMatchObject({ status: 'pending' })
    await engine.cancel('never', 'not any more')
    expect(await ended(engine, 'never')).toMatchObject({ cancelled: 'not any more' })
    expect(await ended(engine, 'soon')).toEqual({ ok: 1 })
    expect(effects).toEqual(['s1 1'])
  })

  it('takes up what a suspended program asks for late, also when its workflow is over', async () => {
    for (const lingerMs of [0, 10_000]) {
      const engine = await working({ lingerMs })
      await engine.start(`late-${lingerMs}`, { program: 'late', input: null })
      expect(await ended(engine, `late-${lingerMs}`)).toEqual({ ok: 'made' })
      await engine.close()
    }
  })

  it('gives a worker only what it has registered, and what is registered later as well', async () => {
    const { engine, host } = await open()
    const [count, ...others] = programs((line) => void effects.push(line))
    const registered = [...others]
    await engine.serve(host(registered))
    await engine.start('r', { program: 'count', input: 1 })
    await engine.start('ask', { program: 'ask', input: 1 })
    await until(engine, 'ask', 'suspended')
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', entries: 0 })
    if (count !== undefined) registered.push(count)
    expect(await ended(engine, 'r')).toEqual({ ok: 1 })
  })

  it('lists runs and questions, without a worker as well', async () => {
    const engine = await working()
    for (const n of [1, 2, 3]) {
      await engine.start(`ask-${n}`, { program: 'ask', input: n, tags: { n: String(n) } })
      await until(engine, `ask-${n}`, 'suspended')
    }
    await engine.signal('ask-2', { id: 'ap_ask-2', name: 'ap_ask-2', payload: { approved: true } })
    await ended(engine, 'ask-2')
    await engine.close()
    const reader = (await open()).engine
    await reader.start("o'brien/1", { program: 'other', input: null })
    expect((await reader.list({})).items.map(({ id, status }) => `${id} ${status}`)).toEqual([
      "o'brien/1 pending",
      'ask-3 suspended',
      'ask-2 completed',
      'ask-1 suspended',
    ])
    const page = await reader.list({ limit: 1, program: 'ask', status: ['suspended'] })
    expect(page.items.map(({ id }) => id)).toEqual(['ask-3'])
    const next = await reader.list({ limit: 1, program: 'ask', status: ['suspended'], after: page.next ?? '' })
    expect(next).toMatchObject({ items: [{ id: 'ask-1' }] })
    expect(next.next).toBeUndefined()
    expect((await reader.list({ tag: { key: 'n', value: '3' } })).items.map(({ id }) => id)).toEqual(['ask-3'])
    expect((await reader.questions({ status: 'open' })).items.map(({ id }) => id)).toEqual(['ap_ask-3', 'ap_ask-1'])
    expect((await reader.questions({ tag: { key: 'n', value: '1' } })).items.map(({ id }) => id)).toEqual(['ap_ask-1'])
    const first = await reader.questions({ limit: 2 })
    expect(first.items.map(({ id }) => id)).toEqual(['ap_ask-3', 'ap_ask-2'])
    expect((await reader.questions({ limit: 2, after: first.next ?? '' })).items).toMatchObject([{ id: 'ap_ask-1' }])
    await reader.signal('ask-3', { id: 'ap_ask-3', name: 'ap_ask-3', payload: { approved: false } })
    expect(await reader.question('ap_ask-3')).toMatchObject({ status: 'answered', answer: { id: 'ap_ask-3' } })
    await expect(reader.question('ap_nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(reader.list({ after: 'x' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(reader.list({ limit: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  it('makes its tables once, where several processes come to a database that is empty or not there', async () => {
    const empty = await server.createDatabase()
    const engines = await Promise.all([1, 2, 3, 4].map(async () => (await open({ url: empty })).engine))
    const asked = await Promise.allSettled(engines.map((engine) => engine.describe('nobody')))
    expect(asked).toMatchObject(engines.map(() => ({ reason: { code: 'NOT_FOUND' } })))
    const { engine } = await open({ url: `${url}_new` })
    expect(await engine.start('r', { program: 'count', input: 1 })).toEqual({ created: true })
  })

  it('says that there is one DBOS in a process, what is wrong with its options, and where the database should be', async () => {
    await working()
    const { engine: other, host } = await openIn(`${folder}/other`)
    opened.push(other)
    await expect(other.serve(host([]))).rejects.toMatchObject({ name: 'UsageError', code: 'BAD_INPUT' })
    await expect(other.serve(host([]), { concurrency: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(openIn(folder, { name: 'My App' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const { engine: lost } = await open({ url: 'postgres://somebody:secret@127.0.0.1:1/nowhere' })
    await expect(lost.describe('r')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1\/nowhere(?!.*secret)/),
    })
  })

  /** Of the application of this test's folder. */
  function schema(): string {
    return `t${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
  }
})
