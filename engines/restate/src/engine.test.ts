/** What only this engine can show: its server is killed as well, its histories are renewed, its console is used. */
import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Program } from '@selvage/core'
import type { Reopen } from '@selvage/core/engines'
import { ended, enginePrograms, isSuspended, until } from '@selvage/testing'
import { noRestate, RestateTestServer } from '@selvage/testing/servers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openOn, URLS } from '../test/under-test.ts'
import type { RestateEngine } from './engine.ts'
import type { RestateOptions } from './options.ts'

const LARGE = 8 * 1_024 * 1_024

const missing = noRestate()
if (missing !== undefined) console.info(`restate: skipped: ${missing}`)

describe.skipIf(missing !== undefined)('on Restate', { timeout: 120_000 }, () => {
  let server: RestateTestServer
  let folder: string
  const opened: RestateEngine[] = []
  const effects: string[] = []
  beforeAll(async () => {
    server = await RestateTestServer.open()
    process.env[URLS] = JSON.stringify({ ingress: server.ingress, admin: server.admin })
  }, 60_000)
  afterAll(() => server.close())
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'selvage-restate-engine-'))
    effects.length = 0
  })
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function open(options: Partial<RestateOptions> = {}): ReturnType<typeof openOn> {
    const place = await openOn(server, folder, options)
    opened.push(place.engine)
    return place
  }

  /** A worker in this process. */
  async function working(
    options: Partial<RestateOptions> = {},
    act: (line: string) => void | Promise<void> = (line) => void effects.push(line),
  ): Promise<RestateEngine> {
    const { engine, host } = await open(options)
    await engine.serve(host(enginePrograms(act)))
    return engine
  }

  async function query<Row>(sql: string): Promise<readonly Row[]> {
    const response = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query: sql }),
    })
    return ((await response.json()) as { rows: readonly Row[] }).rows
  }

  /** What a person does there with the invocation that drives the run. */
  async function console_(runId: string, act: 'cancel' | 'kill' | 'purge'): Promise<void> {
    const [row] = await query<{ id: string }>(
      `select id from sys_invocation where target_service_key = '${runId}' and target_handler_name = 'drive'`,
    )
    const { status } = await fetch(`${server.admin}/invocations/${row?.id}/${act}`, { method: 'PATCH' })
    expect(status).toBeLessThan(300)
  }

  it('I1: a step in flight is joined when the server was killed and is there again', async () => {
    const gate = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const told: unknown[] = []
    const engine = await working({ onError: (error) => told.push(error) }, async (line) => {
      effects.push(line)
      begun.resolve()
      await gate.promise
    })
    await engine.start('r', { program: 'charge', input: null })
    await engine.signal('r', { id: 'go', name: 'go', payload: null })
    await begun.promise
    await server.kill()
    await expect(engine.describe('r')).rejects.toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE' })
    await server.start()
    gate.resolve()
    await engine.signal('r', { id: 'end', name: 'end', payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'charged' })
    expect(effects).toEqual(['charge'])
    expect(told.join()).toContain('aborted the connection')
  })

  it('who waits for a run outlives a server that is away, and says so', async () => {
    const told: unknown[] = []
    const engine = await working({ onError: (error) => told.push(error) })
    await engine.start('r', { program: 'charge', input: null })
    await until(engine, 'r', ({ status }) => status === 'suspended')
    const { status, entries } = await engine.describe('r')
    const changed = engine.changed('r', { status, entries })
    await server.kill()
    await expect.poll(() => told.join()).toContain('Restate cannot be reached')
    await server.start()
    await engine.signal('r', { id: 'go', name: 'go', payload: null })
    await changed
    await engine.signal('r', { id: 'end', name: 'end', payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'charged' })
  })

  it('a start reads once, and who waits for the end is not told of a run that is taken up and waits', async () => {
    const engine = await working()
    await engine.start('first', { program: 'charge', input: null })
    // What a process compares once, before its reads, is compared with a run that is there.
    await until(engine, 'first', ({ status }) => status === 'suspended')
    const fetched = vi.spyOn(globalThis, 'fetch')
    try {
      await engine.start('r', { program: 'charge', input: null })
      expect(fetched.mock.calls.filter(([url]) => String(url).endsWith('/query'))).toHaveLength(1)
    } finally {
      fetched.mockRestore()
    }
    let isOver = false
    const over = engine.changed('r', { status: 'pending', untilEnd: true }).then(() => {
      isOver = true
    })
    await until(engine, 'r', ({ status }) => status === 'suspended')
    expect(isOver).toBe(false)
    for (const name of ['go', 'end']) await engine.signal('r', { id: name, name, payload: null })
    await over
    expect(await engine.describe('r')).toMatchObject({ status: 'completed', outcome: { ok: 'charged' } })
  })

  it('I4: the first signal of an id counts, also when Restate has forgotten that it was sent', async () => {
    const { engine: client } = await open({ name: 'twice' })
    await client.start('r', { program: 'charge', input: null })
    // Without the key by which it would know the second one as a repetition: it remembers keys for a day.
    const send = async (id: string, name: string): Promise<void> => {
      const url = `${server.ingress}/${encodeURIComponent('twice.inbox')}/r/signal/send`
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ id, name, payload: name, at: 1 })
      expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(202)
    }
    await send('one', 'other')
    await send('one', 'go')
    const engine = await working({ name: 'twice' })
    await engine.signal('r', { id: 'two', name: 'go', payload: 'two' })
    await engine.signal('r', { id: 'three', name: 'end', payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'charged' })
    const taken = (await engine.journal('r', 0)).flatMap((entry) =>
      entry.type === 'signal' ? [entry.signal.payload] : [],
    )
    expect(taken.filter((payload) => payload === 'go')).toEqual([])
    expect(effects).toEqual(['charge'])
  })

  it('I4: of many that are sent at once under one id one is accepted, and all are told the same first', async () => {
    const engine = await working()
    await engine.start('sent', { program: 'charge', input: null })
    const sent = Array.from({ length: 8 }, (_, n) => engine.signal('sent', { id: 'one', name: 'other', payload: n }))
    const receipts = await Promise.all(sent)
    const winner = receipts.findIndex(({ accepted }) => accepted)
    const refused = { accepted: false, first: expect.objectContaining({ id: 'one', payload: winner }) }
    expect(receipts).toEqual(receipts.map((_, n) => (n === winner ? { accepted: true } : refused)))
  })

  it('I1, I9: worker and server are killed in turn, and what was recorded is not done again', async () => {
    const { engine } = await open()
    await engine.start('r', { program: 'count', input: 600 })
    for (const round of [1, 2, 3, 4]) {
      const worker = spawn(process.execPath, [fileURLToPath(new URL('../test/worker.ts', import.meta.url)), folder], {
        // It warns when its server is gone.
        stdio: ['pipe', 'pipe', round % 2 === 1 ? 'ignore' : 'inherit'],
      })
      const exited = once(worker, 'exit')
      const before = (await engine.describe('r')).steps
      await until(engine, 'r', ({ steps }) => steps >= before + 4)
      if (round % 2 === 1) await server.kill()
      worker.kill('SIGKILL')
      await exited
      if (round % 2 === 1) await server.start()
    }
    const recorded = (await engine.journal('r', 0)).flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
    const lines = readFileSync(join(folder, 'effects'), 'utf8').split('\n').length
    const worker = await working()
    expect(await ended(worker, 'r')).toEqual({ ok: 180_300 })
    expect(effects.filter((line) => recorded.includes(line.split(' ')[0] ?? ''))).toEqual([])
    expect(lines).toBeGreaterThan(12)
  })

  it('rule 8: a long history is renewed, and a cold worker goes on with all of it', async () => {
    const rotateAfter = { advances: 7 }
    const first = await working({ rotateAfter })
    await first.start('r', { program: 'count', input: 30 })
    await until(first, 'r', ({ steps }) => steps >= 16)
    await first.close()
    const second = await working({ rotateAfter })
    expect(await ended(second, 'r')).toEqual({ ok: 465 })
    const entries = await second.journal('r', 0)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index))
    expect(entries.filter(({ type }) => type === 'step').length).toBe(30)
    for (let from = 0; from < entries.length; from++) {
      expect(await second.journal('r', from, 3)).toEqual(entries.slice(from, from + 3))
    }
    const generations = await query<{ id: string }>(
      `select id from sys_invocation where target_service_key = 'r' and target_handler_name = 'drive'
        and target_service_name like 't%' and completed_at is not null`,
    )
    expect(generations.length).toBeGreaterThan(3)
  })

  it('steps go by their names in the console', async () => {
    const engine = await working()
    await engine.start('names', { program: 'count', input: 2 })
    await ended(engine, 'names')
    const rows = await query<{ name: string }>(
      `select j.name from sys_journal j join sys_invocation i on j.id = i.id
        where i.target_service_key = 'names' and j.entry_type = 'Command: Run' order by j.index`,
    )
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(['s1', 's2']))
  })

  it('a run that is cancelled in the console is cancelled, also in a step', async () => {
    const begun = Promise.withResolvers<void>()
    const engine = await working({}, () => begun.resolve())
    await engine.start('c', { program: 'patient', input: null })
    await begun.promise
    await console_('c', 'cancel')
    expect(await ended(engine, 'c')).toMatchObject({ cancelled: 'cancelled in Restate' })
  })

  it('a run that was cancelled and retried can be cancelled again', async () => {
    const engine = await working()
    await engine.start('again', { program: 'charge', input: null })
    for (const reason of ['one', 'two', 'three']) {
      await until(engine, 'again', isSuspended)
      await engine.cancel('again', reason)
      expect(await ended(engine, 'again')).toMatchObject({ cancelled: reason })
      await engine.retry('again')
    }
  })

  it('a run that is killed in the console has failed, and goes on with what is recorded when it is retried', async () => {
    const engine = await working({ onError: () => {} })
    await engine.start('k', { program: 'charge', input: null })
    await engine.signal('k', { id: 'go', name: 'go', payload: null })
    const { entries } = await until(engine, 'k', ({ status, steps }) => status === 'suspended' && steps === 1)
    await console_('k', 'kill')
    const failed = { error: { code: 'RUN_FAILED', message: expect.stringContaining('Restate ended') } }
    expect(await ended(engine, 'k')).toMatchObject(failed)
    expect((await engine.journal('k', 0)).slice(entries)).toMatchObject([
      { seq: entries, type: 'end', outcome: failed },
    ])
    await expect(engine.signal('k', { id: 'end', name: 'end', payload: null })).rejects.toMatchObject({
      code: 'RUN_ENDED',
    })
    expect((await engine.list({ program: 'charge', status: 'failed' })).items.map(({ id }) => id)).toContain('k')
    await engine.retry('k')
    await engine.signal('k', { id: 'end', name: 'end', payload: null })
    expect(await ended(engine, 'k')).toEqual({ ok: 'charged' })
    expect(effects).toEqual(['charge'])
    const journal = await engine.journal('k', 0)
    expect(journal.map(({ seq }) => seq)).toEqual(journal.map((_, index) => index))
    expect(await engine.describe('k')).toMatchObject({ entries: journal.length, steps: 1 })
  })

  it('rule 11: whoever sees that Restate ended a child tells its parent', async () => {
    const engine = await working({ onError: () => {} })
    await engine.start('parent', { program: 'charge', input: null })
    for (const runId of ['seen', 'listed']) {
      await engine.start(runId, { program: 'charge', input: null, parent: { runId: 'parent', key: 'c' } })
      await until(engine, runId, isSuspended)
      await console_(runId, 'kill')
      const isKilled = `select id from sys_invocation where target_service_key = '${runId}' and completion_result = 'failure'`
      while ((await query(isKilled)).length === 0) {}
      if (runId === 'seen') await engine.describe(runId)
      else await engine.list({})
      const name = `child:${runId}`
      const first = { name, payload: { error: { code: 'RUN_FAILED' } } }
      expect(await engine.signal('parent', { id: name, name, payload: null })).toMatchObject({ accepted: false, first })
    }
  })

  it('a run whose invocation is gone has failed, and says that there is nothing to go on with', async () => {
    const engine = await working({ onError: () => {} })
    await engine.start('gone', { program: 'charge', input: null })
    await until(engine, 'gone', isSuspended)
    await console_('gone', 'kill')
    await ended(engine, 'gone')
    await console_('gone', 'purge')
    const rows = `select j.index from sys_journal j join state s on s.value_utf8 like '%' || j.id || '%'
      where s.service_key = 'gone' and s.key = 'run'`
    while ((await query(rows)).length > 0) {}
    expect(await ended(engine, 'gone')).toMatchObject({ error: { code: 'RUN_FAILED' } })
    expect((await engine.list({ status: 'failed' })).items.map(({ id }) => id)).toContain('gone')
    await expect(engine.retry('gone')).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('of two retries of one failure one counts, be the other as late as it likes', async () => {
    const { engine, host } = await open()
    const broken: Program = {
      name: 'broken',
      resume: 'replay',
      run: (durable) =>
        durable.step({ key: 's', kind: 'code', name: 's' }, () => {
          throw new Error('broken')
        }),
    }
    await engine.serve(host([broken]))
    await engine.start('late-retry', { program: 'broken', input: null })
    await ended(engine, 'late-retry')
    const { entries } = await engine.describe('late-retry')
    await engine.retry('late-retry')
    await expect.poll(async () => (await engine.describe('late-retry')).entries).toBeGreaterThan(entries + 1)
    await ended(engine, 'late-retry')
    const again = await engine.describe('late-retry')
    // What another process asks for that has read the first failure.
    const { reopen } = engine as unknown as { reopen(runId: string, reopen: Reopen): Promise<boolean> }
    expect(await reopen.call(engine, 'late-retry', { at: 1, entries, voided: [] })).toBe(false)
    expect(await engine.describe('late-retry')).toMatchObject({ status: 'failed', entries: again.entries })
    const journal = await engine.journal('late-retry', 0)
    expect(journal.map(({ seq }) => seq)).toEqual(journal.map((_, index) => index))
    expect(journal.filter(({ type }) => type === 'reopen')).toHaveLength(1)
  })

  it('lists runs that no worker has begun by as many reads as one', async () => {
    const { engine } = await open({ name: `t${randomBytes(6).toString('hex')}` })
    const pending = async (): Promise<number> => (await engine.list({ status: 'pending' })).items.length
    const counted = async (): Promise<number> => {
      const fetched = vi.spyOn(globalThis, 'fetch')
      try {
        await engine.list({})
        return fetched.mock.calls.length
      } finally {
        fetched.mockRestore()
      }
    }
    await engine.start('q0', { program: 'count', input: 1 })
    await expect.poll(pending).toBe(1)
    const ofOne = await counted()
    for (let n = 1; n < 8; n++) await engine.start(`q${n}`, { program: 'count', input: 1 })
    await expect.poll(pending).toBe(8)
    expect(await counted()).toBe(ofOne)
  })

  it('I4: a question is answered though its answer stands in a queue behind another signal, and says by whom', async () => {
    const worker = await working()
    await worker.start('ask', { program: 'ask', input: null })
    await until(worker, 'ask', ({ status }) => status === 'suspended')
    await worker.close()
    const { engine, host } = await open()
    await engine.signal('ask', { id: 'before', name: 'other', payload: null })
    await engine.signal('ask', { id: 'ap_ask', name: 'ap_ask', payload: { approved: false }, by: 'eve' })
    expect(await engine.question('ap_ask')).toMatchObject({ status: 'answered', answer: { by: 'eve' } })
    expect((await engine.questions({ status: 'open' })).items).toEqual([])
    const first = { by: 'eve', payload: { approved: false } }
    const late = await engine.signal('ask', { id: 'ap_ask', name: 'ap_ask', payload: { approved: true } })
    expect(late).toMatchObject({ accepted: false, first })
    await engine.serve(host(enginePrograms(() => {})))
    await until(engine, 'ask', ({ outcome }) => outcome !== undefined)
    expect(await engine.question('ap_ask')).toMatchObject({ status: 'answered', answer: first })
  })

  it('a large value lies beside the journal', async () => {
    const engine = await working()
    await engine.start('large', { program: 'large', input: LARGE })
    expect(await ended(engine, 'large')).toEqual({ ok: LARGE })
    const [row] = await query<{ size: number }>(
      `select max(raw_length) as size from sys_journal j join sys_invocation i on j.id = i.id
        where i.target_service_key = 'large'`,
    )
    expect(row?.size).toBeLessThan(40_000)
  })

  it('a run whose program no worker has waits, says so, and goes on where one has it', async () => {
    const told: unknown[] = []
    const { engine, host } = await open({ onError: (error) => told.push(error) })
    const { stop } = await engine.serve(host([]))
    await engine.start('unknown', { program: 'count', input: 3 })
    await expect.poll(() => told.join()).toContain('no worker here has the program count')
    expect(await engine.describe('unknown')).toMatchObject({ status: 'pending' })
    await stop()
    await engine.serve(host(enginePrograms((line) => void effects.push(line))))
    expect(await ended(engine, 'unknown')).toEqual({ ok: 6 })
    expect(effects).toEqual(['s1 1', 's2 1', 's3 1'])
  })

  it('tells its own server again that a program has woken, where that could not be reached', async () => {
    const told: unknown[] = []
    const engine = await working({ onError: (error) => told.push(error) })
    const { fetch } = globalThis
    let lost = 0
    const fetched = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...asked) => {
      if (!String(asked[0]).includes('/wake/') || lost++ > 0) return await fetch(...asked)
      throw new TypeError('fetch failed')
    })
    try {
      await engine.start('late-again', { program: 'late', input: null })
      expect(await ended(engine, 'late-again')).toEqual({ ok: 'made' })
    } finally {
      fetched.mockRestore()
    }
    expect(lost).toBeGreaterThan(1)
    expect(told.join()).toContain('cannot be reached')
  })

  it('takes up what a suspended program asks for late', async () => {
    const engine = await working()
    await engine.start('late', { program: 'late', input: null })
    expect(await ended(engine, 'late')).toEqual({ ok: 'made' })
  })

  it('listens on the loopback address only', async ({ skip }) => {
    await working()
    const port = Number(readFileSync(join(folder, 'port'), 'utf8'))
    await expect(reaches('127.0.0.1', port)).resolves.toBe(true)
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal)
    if (outside === undefined) return skip('this machine has no other address')
    await expect(reaches(outside.address, port)).resolves.toBe(false)
  })

  it('refuses what its server has not signed', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const identityKeyFile = join(folder, 'key.pem')
    writeFileSync(identityKeyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const signing = await RestateTestServer.open({ identityKeyFile })
    try {
      const identityKeys = [`publickeyv1_${base58(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))}`]
      const told: unknown[] = []
      const { engine, host } = await openOn(signing, folder, { identityKeys, onError: (error) => told.push(error) })
      opened.push(engine)
      await engine.serve(host(enginePrograms((line) => void effects.push(line))))
      await engine.start('signed', { program: 'count', input: 1 })
      expect(await ended(engine, 'signed')).toEqual({ ok: 1 })
      // A server that signs with no key, or another one, is not let in.
      const options = { identityKeys, listen: { port: 0 }, onError: (error: unknown) => told.push(error) }
      const stranger = (await openOn(server, folder, options)).engine
      opened.push(stranger)
      await expect(stranger.serve(host([]))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(told.join()).toContain('missing header: x-restate-signature-scheme')
    } finally {
      for (const engine of opened.splice(0)) await engine.close()
      await signing.close()
    }
  })

  it('warns of workers at another address than those before: a run goes on where it began', async () => {
    const told: unknown[] = []
    const onError = (error: unknown): void => void told.push(error)
    await working({ onError })
    await working({ onError })
    expect(told).toEqual([])
    await working({ onError, listen: { port: 0 } })
    expect(told).toMatchObject([{ code: 'BAD_INPUT', message: expect.stringContaining('were registered at') }])
  })

  it('says what is wrong with its options, and where a server should be', async () => {
    await expect(open({ name: 'my app' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    for (const rotateAfter of [{ advances: 0 }, { bytes: 0 }, { advances: Number.NaN }]) {
      await expect(open({ rotateAfter })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('rotateAfter.'),
      })
    }
    const nobody = await openOn({ ingress: server.ingress, admin: server.admin }, folder)
    opened.push(nobody.engine)
    await expect(nobody.engine.serve(nobody.host([]), { concurrency: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const lost = (await openOn({ ingress: server.ingress, admin: 'http://127.0.0.1:1' }, folder)).engine
    opened.push(lost)
    await expect(lost.describe('r')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('http://127.0.0.1:1'),
    })
    expect(existsSync(join(folder, 'registered'))).toBe(true)
  })
})

function base58(bytes: Uint8Array): string {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let text = ''
  for (let left = BigInt(`0x${Buffer.from(bytes).toString('hex')}`); left > 0n; left /= 58n) {
    text = `${alphabet[Number(left % 58n)]}${text}`
  }
  return text
}

function reaches(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
