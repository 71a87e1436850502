/** Connections that end, and a server that is killed and started again, beside a worker that lives. */
import { type OutboxStore, onProbe, type Store } from '@selvage/core'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { claimed, end, enlisted, LEASE_MS, newRun, P, step, whenSeen } from '@selvage/testing/store'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Place, place } from '../test/place.ts'
import { Presence } from './runs/presence.ts'

const missing = noPostgres()
const server = missing === undefined ? await PostgresTestServer.open() : undefined
const url = (await server?.createDatabase()) ?? ''
afterAll(() => server?.close())
if (missing !== undefined) console.info(`postgres: skipped: ${missing}`)

let here: Place
let store: Store
beforeEach(async () => {
  if (missing !== undefined) return
  here = place(url)
  store = await here.open({ durability: 'full' })
})
afterEach(() => here?.close())

async function asked<Row>(text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`set search_path to "${here.schema}"`)
    return (await client.query(text)).rows as Row[]
  } finally {
    await client.end()
  }
}

/** Ends all connections of the store but those that were made since. */
const cutAll = (): Promise<unknown> =>
  asked(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'selvage'
    and pid <> pg_backend_pid()`)

interface Cut {
  readonly isMade: boolean
  /** No transaction begins any more, until the server is back. */
  isAway: boolean
}

const reset = (): Error => Object.assign(new Error('The connection was reset.'), { code: 'ECONNRESET' })

/** The connection ends at the next commit: behind it, so that only the answer is lost, before it, or before it is sent. */
function cutAtCommit(stands: boolean | 'unsent', isAwayThen: boolean = false, nth: number = 1): Cut {
  let commits = 0
  const { query } = pg.Client.prototype
  const cut = { isMade: false, isAway: false }
  const cutting = async function (this: pg.Client, ...asked: readonly unknown[]): Promise<unknown> {
    if (cut.isAway && asked[0] === 'begin') throw reset()
    if (cut.isMade || asked[0] !== 'commit' || ++commits < nth) return await Reflect.apply(query, this, asked)
    cut.isMade = true
    cut.isAway = isAwayThen
    if (stands === true) await Reflect.apply(query, this, asked)
    await this.end()
    if (stands === 'unsent') return await Reflect.apply(query, this, asked)
    throw reset()
  }
  Object.assign(pg.Client.prototype, { query: cutting })
  onTestFinished(() => void Object.assign(pg.Client.prototype, { query }))
  return cut
}

const AT_COMMIT = [
  ['behind it', true],
  ['before it', false],
] as const

/** Of the store, with something for the way: it gives a server that is away up after 5 s. */
const PATIENCE_MS = 4_000

const seqs = async (): Promise<number[]> => (await store.load('r', 0)).map(({ seq }) => seq)

describe.skipIf(missing !== undefined)('appends', () => {
  it('that are made together are one commit, and one that is alone waits for nobody', async () => {
    await enlisted(store, 'w', Date.now())
    const runs = await Promise.all(Array.from({ length: 32 }, (_, n) => claimed(store, `r${n}`)))
    let commits = 0
    const stop = onProbe((name) => void (name === 'store.after-commit' && commits++))
    await Promise.all(runs.map(({ runId, fence }) => store.append(runId, fence, 1, [step(1)])))
    expect(commits).toBe(1)
    await store.append('r0', 1, 2, [step(2)])
    expect(commits).toBe(2)
    stop()
  })

  it('of one group do not fail together', async () => {
    await enlisted(store, 'w', Date.now())
    const [a, b] = [await claimed(store, 'a'), await claimed(store, 'b')]
    const outcomes = await Promise.allSettled([
      store.append('a', a.fence, 1, [step(1)]),
      store.append('b', b.fence, 7, [step(7)]),
      store.append('none', 1, 1, [step(1)]),
    ])
    expect(outcomes.map((each) => (each.status === 'fulfilled' ? 'written' : each.reason.code))).toEqual([
      'written',
      'JOURNAL_GAP',
      'NOT_FOUND',
    ])
  })

  it('whose connection ends are in the journal once, whether or not they had been written', async () => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    for (let seq = 1; seq <= 60; seq++) {
      const appended = store.append('r', fence, seq, [step(seq)])
      if (seq % 12 === 0) await Promise.all([appended, cutAll()])
      else await appended
    }
    expect(await seqs()).toEqual(Array.from({ length: 61 }, (_, seq) => seq))
    expect(await store.describe('r')).toMatchObject({ status: 'running', steps: 60 })
  }, 60_000)

  it.each(AT_COMMIT)(
    'that ask a person are there once where the connection ends at their commit, %s',
    async (_, stands) => {
      await enlisted(store, 'w', Date.now())
      const { fence } = await claimed(store)
      const cut = cutAtCommit(stands)
      const question = { id: 'ap_1', kind: 'approval', name: 'publish' } as const
      await store.append('r', fence, 1, [{ seq: 1, at: 2_000, type: 'open', key: 'ask', question }, step(2)])
      expect(cut.isMade).toBe(true)
      expect(await seqs()).toEqual([0, 1, 2])
      expect(await store.describe('r')).toMatchObject({ steps: 1 })
      expect(await store.question('ap_1')).toMatchObject({ status: 'open' })
      await expect(store.append('r', fence, 2, [step(2)])).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
    },
  )
})

describe.skipIf(missing !== undefined)('a worker whose connection ends', () => {
  it('has its lock again, unless somebody was faster; then its writes are refused', async () => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    await cutAll()
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(await store.dead(Date.now())).toEqual([])
    await store.append('r', fence, 1, [step(1)])

    const other = await here.open()
    // Buried between the end of the connection and the next one, as by a worker that looked just then.
    await asked(`delete from worker where id = 'w'`)
    await asked(`update run set status = 'pending', due = 0 where id = 'r'`)
    await cutAll()
    await enlisted(other, 'other', Date.now())
    await expect(store.heartbeat('w', LEASE_MS, Date.now())).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await expect(store.append('r', fence, 2, [step(2)])).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await other.claim('other', P, 1, Date.now())).toMatchObject([{ runId: 'r', fence: fence + 1, cursor: 2 }])
  }, 60_000)

  it('hears nothing of it when it asks just then', async () => {
    await enlisted(store, 'w', Date.now())
    for (let cut = 0; cut < 20; cut++) {
      const asked = Promise.all([cutAll(), store.heartbeat('w', LEASE_MS, Date.now())])
      for (let n = 0; n < 5; n++) await store.heartbeat('w', LEASE_MS, Date.now())
      await asked
    }
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(await store.dead(Date.now())).toEqual([])
  }, 60_000)

  it('is left alone by whoever sees that its process lives', async () => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    const other = await here.open()
    for (let seq = 1; seq <= 20; seq++) {
      await cutAll()
      expect(await other.reap(Date.now())).toBe(0)
      await store.append('r', fence, seq, [step(seq)])
    }
  }, 60_000)

  it('of which nobody here can tell whether it lives has a moment to connect again', async () => {
    const unseen = vi.spyOn(Presence.prototype, 'signOf').mockResolvedValue('none')
    onTestFinished(() => unseen.mockRestore())
    await enlisted(store, 'w', Date.now())
    await asked(
      `insert into worker (id, pid, host, lease_until, server) select 'gone', 1, 'elsewhere', lease_until, server from worker`,
    )
    const other = await here.open()
    await cutAll()
    expect(await other.dead(Date.now())).toEqual([])
    expect(await whenSeen(async () => (await other.dead(Date.now())).length > 0)).toBe(true)
    expect(await other.dead(Date.now())).toEqual(['gone'])
  }, 60_000)

  it('may live as the author of what it appended, as nobody has seen its process die', async () => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [step(1)])
    const other = await here.open()
    await cutAll()
    expect(await other.authorMayLive('r', 1)).toBe(true)
  })
})

describe.skipIf(missing !== undefined)('whose answer is lost', () => {
  it.each(AT_COMMIT)('a start has made the run, %s', async (_, stands) => {
    const cut = cutAtCommit(stands)
    expect(await store.create(newRun('r'))).toEqual({ created: true })
    expect(cut.isMade).toBe(true)
    expect(await store.create(newRun('r', {}, { salt: 'of another' }))).toEqual({ created: false })
    await expect(store.create(newRun('r', {}, { inputHash: 'other' }))).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
  })

  it.each(AT_COMMIT)('a signal is the first, %s', async (_, stands) => {
    await store.create(newRun('r'))
    const cut = cutAtCommit(stands)
    const answer = { id: 'ap_1', name: 'ap_1', payload: { approved: true }, by: 'ann' }
    expect(await store.signal('r', answer, 3_000)).toEqual({ accepted: true })
    expect(cut.isMade).toBe(true)
    const again = await store.signal('r', answer, 3_000)
    expect(again).toEqual({ accepted: false, first: { ...answer, at: 3_000 } })
    expect(await store.pendingSignals('r')).toHaveLength(1)
  })

  it.each(AT_COMMIT)('a run has ended, %s', async (_, stands) => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [end(1)])
    const cut = cutAtCommit(stands)
    await store.finish('r', fence, { ok: null }, 5_000)
    expect(cut.isMade).toBe(true)
    expect(await store.describe('r')).toMatchObject({ status: 'completed', endedAt: 5_000 })
    await expect(store.finish('r', fence, { ok: null }, 6_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
  })
})

describe.skipIf(missing !== undefined)('a commit that was never sent', () => {
  it('is no lost answer: what it is of is done again', async () => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    const cut = cutAtCommit('unsent')
    await store.release('r', fence, Date.now())
    expect(cut.isMade).toBe(true)
    expect(await store.describe('r')).toMatchObject({ status: 'pending' })
  })
})

describe.skipIf(missing !== undefined)('what can be done twice without harm is done', () => {
  it.each(AT_COMMIT)('a worker is there, and goes again, %s', async (_, stands) => {
    const coming = cutAtCommit(stands)
    await enlisted(store, 'w', Date.now())
    expect(coming.isMade).toBe(true)
    const { fence } = await claimed(store)
    const going = cutAtCommit(stands)
    await store.dismiss('w')
    expect(going.isMade).toBe(true)
    expect(await store.describe('r')).toMatchObject({ status: 'pending' })
    await expect(store.append('r', fence, 1, [step(1)])).rejects.toMatchObject({ code: 'LEASE_LOST' })
  })

  it.each(AT_COMMIT)('a worker is there, which has two commits, and the second is cut, %s', async (_, stands) => {
    const coming = cutAtCommit(stands, false, 2)
    await enlisted(store, 'w', Date.now())
    expect(coming.isMade).toBe(true)
    expect(await claimed(store)).toMatchObject({ fence: 1 })
  })

  it.each(AT_COMMIT)('a large value is kept, and who wants to be told is known, %s', async (_, stands) => {
    const bytes = new Uint8Array(100_000)
    const keeping = cutAtCommit(stands)
    expect(await store.blobs.get(await store.blobs.put(bytes))).toEqual(bytes)
    const subscribing = cutAtCommit(stands)
    await store.outbox?.subscribe?.([{ topic: 'told', notices: ['run.failed'] }], Date.now())
    expect([keeping.isMade, subscribing.isMade]).toEqual([true, true])
  })
})

describe.skipIf(missing !== undefined)('what a worker may have taken without having heard of it', () => {
  it.each(AT_COMMIT)('is taken where the connection ends at that commit, %s', async (_, stands) => {
    await enlisted(store, 'w', Date.now())
    await store.create(newRun('a'))
    await store.create(newRun('b'))
    const cut = cutAtCommit(stands)
    const claims = await store.claim('w', P, 2, Date.now())
    expect(cut.isMade).toBe(true)
    expect(claims.map(({ runId, delivery }) => [runId, delivery])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    for (const { runId, fence } of claims) await store.append(runId, fence, 1, [step(1)])
  })

  it.each([
    ['claim', (): Promise<unknown> => store.claim('w', P, 1, Date.now())],
    ['claimRun', (): Promise<unknown> => store.claimRun('w', 'r', Date.now())],
  ])(
    'is due until somebody takes it again, where the server stays away: %s',
    async (_, take) => {
      await enlisted(store, 'w', Date.now())
      await store.create(newRun('r'))
      const cut = cutAtCommit(true, true)
      await expect(take()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(await store.describe('r')).toMatchObject({ status: 'running' })
      cut.isAway = false
      expect(await store.nextDue(P)).toBeLessThan(Date.now())
      expect(await store.claim('w', P, 1, Date.now())).toMatchObject([{ runId: 'r', fence: 2, delivery: 1 }])
      expect(await store.nextDue(P)).toBeUndefined()
    },
    20_000,
  )

  it.each(AT_COMMIT)('is delivered if it is a message, %s', async (_, stands) => {
    await enlisted(store, 'w', Date.now())
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [step(1, { sent: [{ id: 'm', topic: 'mail', payload: 1 }] })])
    const cut = cutAtCommit(stands)
    const outbox = store.outbox as OutboxStore
    const claims = await outbox.claim('w', ['mail'], 1, Date.now())
    expect(cut.isMade).toBe(true)
    expect(claims).toMatchObject([{ id: 'm', attempt: 1 }])
    for (const claim of claims) await outbox.settle(claim, { kind: 'delivered' }, Date.now())
    expect(await outbox.message('m')).toMatchObject({ state: 'delivered' })
  })
})

describe.skipIf(missing !== undefined)('who watches a store', () => {
  it('is told of a commit by the server: the look every 500 ms is only the net', async () => {
    // Nothing is looked at every so often.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const other = await here.open()
    let rings = 0
    const silence = other.watch(() => rings++)
    let runs = 0
    const hasRung = async (): Promise<boolean> => {
      await store.create(newRun(`r${++runs}`))
      return rings > 0
    }
    expect(await whenSeen(hasRung)).toBe(true)
    silence()
  }, 60_000)
})

describe.skipIf(missing !== undefined || server?.isOwn === false)('a server that is killed and started again', () => {
  it('has everything that was acknowledged, and no worker has died of it', async () => {
    await enlisted(store, 'w', Date.now())
    // Nobody renews its lease while the server starts, which takes long on a busy machine.
    await store.heartbeat('w', 10 * LEASE_MS, Date.now())
    const { fence } = await claimed(store)
    for (let seq = 1; seq <= 5; seq++) await store.append('r', fence, seq, [step(seq)])
    const rang = Promise.withResolvers<void>()
    const other = await here.open()
    const silence = other.watch(() => rang.resolve())
    await server?.kill()
    // On its way while there is no server.
    const append = (): Promise<string> =>
      store.append('r', fence, 6, [step(6)]).then(
        () => 'appended',
        (error) => error.code,
      )
    const appended = append()
    const began = performance.now()
    await server?.start()
    // On a machine so busy that the server takes longer than the store is patient it may say so: whoever asks again is served.
    const isLate = performance.now() - began > PATIENCE_MS
    const said = await appended
    if (!isLate || said !== 'UNAVAILABLE') expect(said).toBe('appended')
    else if (!(await seqs()).includes(6)) expect(await append()).toBe('appended')
    expect(await seqs()).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(await other.reap(Date.now())).toBe(0)
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(await whenSeen(async () => (await other.dead(Date.now())).length === 0)).toBe(true)
    await store.append('r', fence, 7, [step(7)])
    await store.create(newRun('after'))
    await rang.promise
    silence()
  }, 60_000)
})
