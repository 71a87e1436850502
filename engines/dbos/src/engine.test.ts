/** What only this engine can show: its database is killed as well, workers stand still, its console is used. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import type { Entry, Program, StepContext } from '@selvage/core'
import { nodePlatform } from '@selvage/runtime-node'
import { ended, enginePrograms, isSuspended, until } from '@selvage/testing'
import { noPostgres, PostgresTestServer, TestPooler } from '@selvage/testing/servers'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { DATABASE, openIn } from '../test/under-test.ts'
import { Application } from './application.ts'
import { Bell } from './bell.ts'
import type { DbosEngine } from './engine.ts'
import { type DbosOptions, settingsOf } from './options.ts'

const LARGE = 8 * 1_024 * 1_024
const START = { program: 'count', input: 1 }
const WAITING = `select from pg_locks where locktype = 'advisory' and not granted`
const NOT_OURS = 'the PostgreSQL of SELVAGE_TEST_POSTGRES_URL is not ours to kill'

/** Beats of workers of this process reach the database so much later, in milliseconds, until what it returns is called. */
function lateBeats(ms: number): () => void {
  const { query } = pg.Client.prototype
  function late(this: pg.Client, ...asked: readonly unknown[]): unknown {
    const now = (): unknown => Reflect.apply(query, this, asked)
    return JSON.stringify(asked[0]).includes('set seen_at') ? sleep(ms).then(now) : now()
  }
  Object.assign(pg.Client.prototype, { query: late })
  return () => void Object.assign(pg.Client.prototype, { query })
}

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
    await engine.serve(host(enginePrograms(act)))
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

  /** A few steps further. */
  async function more(engine: DbosEngine): Promise<void> {
    const before = (await engine.describe('r')).steps
    await until(engine, 'r', ({ steps }) => steps >= before + 4)
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
    await until(client, 'r', ({ steps }) => steps >= 10)
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
    await until(client, 'r', ({ steps }) => steps >= 5)
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

  it('I1, I9: worker and server are killed in turn, and what was recorded is not done again', async ({ skip }) => {
    if (!server.isOwn) return skip(NOT_OURS)
    const { engine } = await open({ onError: () => {} })
    await engine.start('r', { program: 'count', input: 200 })
    for (const round of [1, 2, 3]) {
      const child = worker()
      await more(engine)
      if (round % 2 === 1) {
        await server.kill()
        await expect(engine.describe('r')).rejects.toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE' })
        await server.start()
        await more(engine)
      }
      await killed(child)
    }
    const recorded = (await engine.journal('r', 0)).flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    const last = await working({ onError: () => {} })
    expect(await ended(last, 'r')).toEqual({ ok: 20_100 })
    expect(effects.filter((line) => recorded.includes(line.split(' ')[0] ?? ''))).toEqual([])
  })

  it('a database that is away for longer than a lease takes nothing from who had it in hand', async ({ skip }) => {
    if (!server.isOwn) return skip(NOT_OURS)
    const begun = Promise.withResolvers<void>()
    const charged = Promise.withResolvers<void>()
    const engine = await working({ onError: () => {} }, async (line) => {
      effects.push(line)
      begun.resolve()
      await charged.promise
    })
    await engine.start('c', { program: 'charge', input: null })
    await engine.signal('c', { id: 'go', name: 'go', payload: null })
    await begun.promise
    await server.kill()
    await sleep(2_000)
    // It looks for the dead before it can say that it lives.
    const isPunctual = lateBeats(700)
    await server.start()
    await sleep(2_000)
    isPunctual()
    charged.resolve()
    await engine.signal('c', { id: 'end', name: 'end', payload: null })
    expect(await ended(engine, 'c')).toEqual({ ok: 'charged' })
    expect(effects).toEqual(['charge'])
  })

  it('who has lost a connection believes for a lease that others have lost theirs', async () => {
    const leaseMs = 8_000
    await working({ onError: () => {}, leaseMs })
    const silent = async (): Promise<void> => {
      const row = `insert into ${schema()}.worker values ('silent', 4711, now() - interval '3 s')`
      await query(row)
    }
    const isThere = async (): Promise<boolean> =>
      (await query(`select from ${schema()}.worker where executor = 'silent'`)).length === 1
    await silent()
    await expect.poll(isThere, { timeout: 2_000 }).toBe(false)

    const itsLock = `from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database
      where datname = current_database())`
    expect(await query(`select pg_terminate_backend(pid) ${itsLock}`)).toHaveLength(1)
    await expect.poll(async () => (await query(`select pid ${itsLock}`)).length).toBe(1)
    await silent()
    await sleep(2_000)
    expect(await isThere()).toBe(true)
    await expect.poll(isThere, { timeout: leaseMs }).toBe(false)
  })

  it('who could not beat begins nothing before it knows that nobody else has the run', async ({ skip }) => {
    if (!server.isOwn) return skip(NOT_OURS)
    const slow = Promise.withResolvers<void>()
    const op = (key: string) => ({ key, kind: 'code', name: key }) as const
    const pair: Program = {
      name: 'pair',
      resume: 'replay',
      run: async (durable) => {
        const flaky = ({ attempt }: StepContext): void => {
          effects.push(`attempt ${attempt}`)
          if (attempt === 1) throw new Error('not yet')
        }
        const trying = durable.step(op('flaky'), flaky, { retryAfterMs: () => 1_000 })
        await Promise.all([trying, durable.step(op('slow'), () => slow.promise)])
        return 'both'
      },
    }
    // A step that is named asks the database before it begins anyway.
    const { engine, host } = await open({ onError: () => {}, namesSteps: false })
    await engine.serve(host([pair]))
    await engine.start('p', { program: 'pair', input: null })
    await until(engine, 'p', ({ entries }) => entries >= 2)
    // The next advance has begun, in which the second attempt is due.
    await sleep(300)
    await server.kill()
    await sleep(2_000)
    expect(effects).toEqual(['attempt 1'])
    await server.start()
    await expect.poll(() => effects, { timeout: 10_000 }).toEqual(['attempt 1', 'attempt 2'])
    slow.resolve()
    expect(await ended(engine, 'p')).toEqual({ ok: 'both' })
  })

  it('who waits for a run outlives a database that is away, and says so', async ({ skip }) => {
    if (!server.isOwn) return skip(NOT_OURS)
    const told: unknown[] = []
    const engine = await working({ onError: (error) => told.push(error) })
    await engine.start('r', { program: 'charge', input: null })
    await until(engine, 'r', isSuspended)
    const { status, entries } = await engine.describe('r')
    const changed = engine.changed('r', { status, entries })
    await server.kill()
    await expect.poll(() => told.length).toBeGreaterThan(0)
    const waited = await Promise.race([changed.catch((error: unknown) => error), sleep(1_000, 'waits')])
    expect(waited).toBe('waits')
    await server.start()
    await engine.signal('r', { id: 'go', name: 'go', payload: null })
    await changed
    await engine.signal('r', { id: 'end', name: 'end', payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'charged' })
  })

  it('I8: a run that waits for long is a row; whoever is there goes on with it', async () => {
    const first = await working({ lingerMs: 0 })
    await first.start('c', { program: 'charge', input: null })
    await until(first, 'c', isSuspended)
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

  it('wakes many parked runs at once, with fewer connections than runs', async () => {
    const parked = Array.from({ length: 6 }, (_, index) => `c${index}`)
    const first = await working({ lingerMs: 0 })
    for (const id of parked) await first.start(id, { program: 'charge', input: null })
    for (const id of parked) await until(first, id, isSuspended)
    await first.close()
    const { engine: client } = await open({ poolSize: 2 })
    const signals = [...parked, ...parked.map(() => 'c0')].map((id, index) =>
      client.signal(id, { id: `go ${index}`, name: 'go', payload: null }),
    )
    for (const receipt of await Promise.all(signals)) expect(receipt).toEqual({ accepted: true })
  })

  it('I3: a signal leaves a workflow to the worker that has just taken it up', async () => {
    const first = await working({ lingerMs: 0 })
    await first.start('c', { program: 'charge', input: null })
    await until(first, 'c', isSuspended)
    await first.close()
    // As DBOS does for a worker, which has not yet said that it drives the run.
    const theirs = { status: 'PENDING', owner_xid: 'theirs', executor_id: 'another' }
    const [taken] = await query(
      `update dbos.workflow_status set status = $1, owner_xid = $2, executor_id = $3
         where workflow_uuid = (select workflow from ${schema()}.run where id = 'c') returning status, owner_xid, executor_id`,
      Object.values(theirs),
    )
    expect(taken).toEqual(theirs)
    const { engine: client } = await open()
    for (const name of ['go', 'end']) await client.signal('c', { id: name, name, payload: null })
    expect(
      await query(`select status, owner_xid, executor_id from dbos.workflow_status
        where workflow_uuid = (select workflow from ${schema()}.run where id = 'c')`),
    ).toEqual([theirs])
    // Nobody beats under that name: the next worker takes the run over.
    expect(await ended(await working(), 'c')).toEqual({ ok: 'charged' })
  })

  it('of two workers that see a workflow ended by DBOS one ends its run, and the other leaves a retried one alone', async () => {
    const { runs, failed } = await indexed()
    await runs.start(START, { runId: 'f', generation: 0, entries: 0, steps: 0, heard: 0, at: 1 }, [], 0)
    // Both have seen this.
    const seen = await runs.row('f')
    await runs.fail(seen, failed, 2)
    expect(await runs.describe('f')).toMatchObject({ status: 'failed', outcome: failed, entries: 1, updatedAt: 2 })
    expect(await runs.reopen('f', { at: 3, entries: 1, voided: [] })).toBe(true)
    await runs.fail(seen, failed, 4)
    expect(await runs.describe('f')).toMatchObject({ status: 'pending', entries: 2 })
    expect((await runs.entries('f', 0, 10)).map(({ seq, type }) => `${seq} ${type}`)).toEqual(['0 end', '1 reopen'])
  })

  it('shows as much of a run behind a rotation as before it', async () => {
    const { runs } = await indexed()
    const begin = { runId: 'n', generation: 0, entries: 0, steps: 0, heard: 0, at: 1 }
    await runs.start(START, begin, [], 0)
    await runs.claim('n', 0, '0/0')
    const entries = [{ seq: 0, at: 5, type: 'step', key: 's', attempt: 1, outcome: { ok: 1 } }] as unknown as Entry[]
    await runs.handOn({ ...begin, generation: 1, entries: 1, steps: 1, at: 5 }, 'far', entries, 0)
    const shown = { status: 'running', entries: 1, steps: 1, updatedAt: 5, note: 'far' }
    expect(await runs.describe('n')).toMatchObject(shown)
  })

  it('a worker whose run goes on in a later generation lets go of its workflow at once', async () => {
    const engine = await working({ lingerMs: 60_000, stopGraceMs: 60_000, onError: () => {} })
    await engine.start('c', { program: 'charge', input: null })
    await until(engine, 'c', isSuspended)
    await query(`update ${schema()}.run set generation = 1, workflow = '${schema()}:c#1' where id = 'c'`)
    await engine.signal('c', { id: 'go', name: 'go', payload: null })
    const status = `select status from dbos.workflow_status where workflow_uuid = '${schema()}:c#0'`
    await expect.poll(async () => (await query<{ status: string }>(status))[0]?.status).not.toBe('PENDING')
    expect(effects).toEqual([])
  })

  it('a bell that is back rings at once, be it that its lock is still held', async () => {
    const lock = 4_711n
    const rang: (string | undefined)[] = []
    const bell = await Bell.open({
      url,
      channel: 'bell',
      lock,
      silenceMs: 60_000,
      report: () => {},
      rang: (runId) => rang.push(runId),
    })
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    const held = holder.query('select pg_advisory_lock($1)', [lock.toString()])
    const ends = `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = $1 and granted`
    await expect.poll(async () => (await query(`${WAITING} and objid = $1`, [lock.toString()])).length).toBe(1)
    await query(ends, [lock.toString()])
    await held
    await expect.poll(() => rang).toEqual([undefined])
    await holder.end()
    await bell.close()
  })

  it('makes its tables, and works, with the fewest connections', async () => {
    const engine = await working({ url: await server.createDatabase(), poolSize: 2 })
    await engine.start('r', { program: 'count', input: 5 })
    expect(await ended(engine, 'r')).toEqual({ ok: 15 })
  })

  it('an option that is undefined is not given, and one that is no number is refused', async () => {
    const names = ['name', 'namesSteps', 'leaseMs', 'pollMs', 'lingerMs', 'poolSize', 'stopGraceMs']
    const nothing: object = Object.fromEntries(names.map((name) => [name, undefined]))
    expect(settingsOf({ url, ...nothing })).toEqual(settingsOf({ url }))
    for (const option of ['leaseMs', 'pollMs', 'lingerMs', 'poolSize', 'stopGraceMs']) {
      await expect(openIn(folder, { [option]: Number.NaN })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining(option),
      })
    }
    for (const rotateAfter of [{ advances: 0 }, { bytes: 0 }, { advances: Number.NaN }]) {
      await expect(openIn(folder, { rotateAfter })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('rotateAfter.'),
      })
    }
    await expect(openIn(folder, { poolSize: 1 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(openIn(folder, { leaseMs: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  it('a worker that stops leaves what it has to the next one at once', async () => {
    const first = await working()
    await first.start('r', { program: 'count', input: 60 })
    await until(first, 'r', ({ steps }) => steps >= 5)
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
    await until(first, 'r', ({ steps }) => steps >= 16)
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

  it('a run whose workflow DBOS ends with an error is failed, and can be retried', async () => {
    const { engine: client } = await open()
    await client.start('e', { program: 'count', input: 40 })
    const first = worker()
    await until(client, 'e', ({ steps }) => steps >= 10)
    await killed(first)
    const { steps } = await client.describe('e')
    // What DBOS takes for a change of the code.
    await query(
      `update dbos.operation_outputs set function_name = 'another' where workflow_uuid = $1 and function_id = 3`,
      [`${schema()}:e#0`],
    )
    const engine = await working()
    expect(await ended(engine, 'e')).toMatchObject({
      error: { code: 'RUN_FAILED', message: expect.stringContaining('DBOS ended') },
    })
    expect((await engine.journal('e', 0)).at(-1)).toMatchObject({ type: 'end' })
    expect(effects).toEqual([])
    await engine.retry('e')
    expect(await ended(engine, 'e')).toEqual({ ok: 820 })
    expect(effects.length).toBeLessThanOrEqual(41 - steps)
  })

  it('a retried run hears what was accepted, and not taken, before it failed', async () => {
    const first = await working({ lingerMs: 0 })
    await first.start('c', { program: 'charge', input: null })
    await first.signal('c', { id: 'go', name: 'go', payload: null })
    await until(first, 'c', ({ status, steps }) => status === 'suspended' && steps === 1)
    await first.close()
    // What DBOS takes for a change of the code, in the workflow that waits.
    await query(
      `insert into dbos.operation_outputs (workflow_uuid, function_id, function_name, output)
         select workflow, 0, 'another', 'null' from ${schema()}.run where id = 'c'`,
    )
    const { engine: client } = await open()
    await client.signal('c', { id: 'end', name: 'end', payload: null })
    const engine = await working()
    expect(await ended(engine, 'c')).toMatchObject({ error: { code: 'RUN_FAILED' } })
    expect((await engine.journal('c', 0)).filter(({ type }) => type === 'signal')).toHaveLength(1)
    await engine.retry('c')
    const { outcome } = await until(
      engine,
      'c',
      ({ status, outcome }) => outcome !== undefined || status === 'suspended',
    )
    expect(outcome).toEqual({ ok: 'charged' })
    expect(effects).toEqual(['charge'])
  })

  it('a large value lies beside the steps of DBOS', async () => {
    const engine = await working()
    await engine.start('large', { program: 'large', input: LARGE })
    expect(await ended(engine, 'large')).toEqual({ ok: LARGE })
    const [row] = await query<{ size: number }>(`select max(length(output)) as size from dbos.operation_outputs
      where workflow_uuid = '${schema()}:large#0'`)
    expect(row?.size).toBeLessThan(40_000)
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
    const [count, ...others] = enginePrograms((line) => void effects.push(line))
    const registered = [...others]
    await engine.serve(host(registered))
    await engine.start('r', { program: 'count', input: 1 })
    await engine.start('ask', { program: 'ask', input: 1 })
    await until(engine, 'ask', isSuspended)
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', entries: 0 })
    if (count !== undefined) registered.push(count)
    expect(await ended(engine, 'r')).toEqual({ ok: 1 })
  })

  it('a question is answered as soon as its answer is accepted, be it that nobody works', async () => {
    const engine = await working()
    await engine.start('ask', { program: 'ask', input: null })
    await until(engine, 'ask', isSuspended)
    await engine.close()
    const reader = (await open()).engine
    await reader.signal('ask', { id: 'ap_ask', name: 'ap_ask', payload: { approved: false } })
    expect(await reader.question('ap_ask')).toMatchObject({ status: 'answered', answer: { id: 'ap_ask' } })
    expect((await reader.questions({ status: 'open' })).items).toEqual([])
  })

  it('makes its tables once, where several processes come to a database that is empty or not there', async () => {
    const empty = await server.createDatabase()
    const engines = await Promise.all([1, 2, 3, 4].map(async () => (await open({ url: empty })).engine))
    const asked = await Promise.allSettled(engines.map((engine) => engine.describe('nobody')))
    expect(asked).toMatchObject(engines.map(() => ({ reason: { code: 'NOT_FOUND' } })))
    for (const round of ['a', 'b', 'c']) {
      const fresh = await Promise.all([1, 2, 3].map(async () => (await open({ url: `${url}_${round}` })).engine))
      const begun = await Promise.all(fresh.map((engine) => engine.start('r', { program: 'count', input: 1 })))
      expect(begun.filter(({ created }) => created)).toHaveLength(1)
    }
  })

  it('makes none in a schema that holds those of another application', async () => {
    const { engine } = await open({ name: 'theirs' })
    const client = new pg.Client(url)
    await client.connect()
    onTestFinished(() => client.end())
    await client.query('create schema theirs; create table theirs.run (n int)')
    await expect(engine.start('r', { program: 'count', input: 1 })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(/The schema theirs of .* another application/),
      hint: expect.stringContaining('another name'),
    })
    await client.query('drop table theirs.run')
    expect(await engine.start('r', { program: 'count', input: 1 })).toEqual({ created: true })
  })

  it('works behind a pooler in session mode, and refuses one that hands connections out by the transaction', async ({
    skip,
  }) => {
    if (!server.isOwn) return skip('the pooler knows no passwords')
    const through = async (mode: 'session' | 'transaction'): Promise<string> => {
      const pooler = await TestPooler.open(url, mode)
      onTestFinished(() => pooler.close())
      return pooler.url
    }
    const { engine: refused } = await open({ url: await through('transaction') })
    await expect(refused.describe('r')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('hands connections out by the transaction'),
      hint: expect.stringContaining('session'),
    })
    const engine = await working({ url: await through('session') })
    await engine.start('r', { program: 'charge', input: null })
    for (const id of ['go', 'end']) await engine.signal('r', { id, name: id, payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'charged' })
    await engine.close()
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

  /** The index of runs, without a worker. */
  async function indexed() {
    const settings = settingsOf({ url, name: schema() })
    const app = new Application(settings, nodePlatform({}))
    onTestFinished(() => app.close())
    return { runs: app.runs, failed: { error: { name: 'Error', message: 'DBOS gave it up' } } }
  }

  /** Of the application of this test's folder. */
  function schema(): string {
    return `t${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
  }
})
