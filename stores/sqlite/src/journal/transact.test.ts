import type { Entry, Store, TransactionWrite } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, LEASE_MS, type Place, place, step } from '../../test/place.ts'

let here: Place
let store: Store & Required<Pick<Store, 'transact' | 'transaction'>>

beforeEach(async () => {
  here = place()
  store = (await here.open({ path: ':memory:' })) as typeof store
  await enlisted(store)
  await store.transaction((db) => db.exec('create table app_t (x)'))
})
afterEach(() => here.close())

const rows = (): Promise<unknown[]> =>
  store.transaction((db) => db.all<{ x: unknown }>('select x from app_t').map(({ x }) => x))

/** Inserts `x`; what `then` throws is its failure. */
function inserting(seq: number, x: string, then: () => void = () => {}): TransactionWrite {
  const fail = (error: unknown): Entry => step(seq, { outcome: { error: { name: 'Error', message: String(error) } } })
  return {
    fail,
    run(db) {
      try {
        db.run('insert into app_t values (?)', x)
        then()
        return { entry: step(seq), keep: true }
      } catch (error) {
        return { entry: fail(error), keep: false }
      }
    },
  }
}

describe('an entry with the rows of its author', () => {
  it('is in the journal with them', async () => {
    const { fence } = await claimed(store)
    expect(await store.transact('r', fence, 1, inserting(1, 'a'))).toEqual(step(1))
    expect(await store.load('r', 1)).toEqual([step(1)])
    expect(await rows()).toEqual(['a'])
  })

  it('is refused with them once the claim is gone, whether its holder knows the run or not', async () => {
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [step(1)])
    await store.reap(1_000 + LEASE_MS)
    const lost = { code: 'LEASE_LOST' }
    await expect(store.transact('r', fence, 2, inserting(2, 'a'))).rejects.toMatchObject(lost)
    await expect(store.transact('r', fence, 2, inserting(2, 'b'))).rejects.toMatchObject(lost)
    await expect(store.transact('r', fence + 1, 2, inserting(2, 'c'))).rejects.toMatchObject(lost)
    expect(await rows()).toEqual([])
    expect(await store.load('r', 2)).toEqual([])
  })

  it('is refused with them where the journal does not end', async () => {
    const { fence } = await claimed(store)
    await expect(store.transact('r', fence, 5, inserting(5, 'a'))).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
    expect(await rows()).toEqual([])
  })

  it('takes nothing of its neighbours in the same commit with it when it fails', async () => {
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map((runId) => claimed(store, runId)))
    const [a, b, c, d] = claims.map(({ fence }) => fence) as [number, number, number, number]
    const written = await Promise.allSettled([
      store.append('a', a, 1, [step(1)]),
      store.transact(
        'b',
        b,
        1,
        inserting(1, 'b', () => {
          throw new Error('no')
        }),
      ),
      store.transact('c', c, 1, inserting(1, 'c')),
      store.transact('d', d + 1, 1, inserting(1, 'd')),
      store.append('a', a, 2, [step(2)]),
    ])
    expect(written.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(await rows()).toEqual(['c'])
    expect(await store.load('a', 1)).toEqual([step(1), step(2)])
    expect(await store.load('b', 1)).toMatchObject([{ outcome: { error: { message: 'Error: no' } } }])
  })

  it('is written without them, and its neighbours whole, when its SQL takes the group back', async () => {
    const [a, b] = (await Promise.all(['a', 'b'].map((runId) => claimed(store, runId)))).map(({ fence }) => fence) as [
      number,
      number,
    ]
    await store.transaction((db) => db.exec('create unique index app_once on app_t (x)'))
    const twice: TransactionWrite = {
      ...inserting(1, 'x'),
      run(db) {
        db.run("insert into app_t values ('x')")
        try {
          db.run("insert or rollback into app_t values ('x')")
        } catch {
          // Its author sees nothing wrong.
        }
        return { entry: step(1), keep: true }
      },
    }
    await Promise.all([
      store.append('a', a, 1, [step(1)]),
      store.transact('b', b, 1, twice),
      store.append('a', a, 2, [step(2)]),
    ])
    expect(await rows()).toEqual([])
    expect(await store.load('a', 1)).toEqual([step(1), step(2)])
    expect(await store.load('b', 1)).toMatchObject([
      { outcome: { error: { message: expect.stringMatching(/rolled the whole commit/) } } },
    ])
  })

  it('waits with its rows until a full disk has room', async () => {
    const small = (await here.open({ maxBytes: 400_000 })) as typeof store
    await enlisted(small)
    await small.transaction((db) => db.exec('create table app_t (x)'))
    const { fence } = await claimed(small)
    const large = { ...inserting(1, 'x'.repeat(500_000)) }
    await expect(small.transact('r', fence, 1, large)).rejects.toMatchObject({ code: 'DISK_FULL' })
    await small.transact('r', fence, 1, inserting(1, 'x'))
    expect(await small.load('r', 1)).toEqual([step(1)])
  })
})
