import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { claimed, enlisted, newRun, type Place, place, step } from '../../test/place.ts'
import { backUpDatabase, inspectDatabase, sqliteStore } from '../index.ts'

let here: Place
let copy: string
beforeEach(() => {
  here = place()
  copy = join(here.folder, 'copy.db')
})
afterEach(() => here.close())

it('a copy that is made while others write is one moment of it: whole, and a run goes on from there', async () => {
  const child = here.child(`
    await store.enlist({ id: 'original', pid: process.pid, host: 'h' }, 60_000, Date.now())
    await store.create({ runId: 'r', start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
    const [{ fence }] = await store.claim('original', [{ name: 'p' }], 1, Date.now())
    for (let at = 1; ; at++) {
      const step = { seq: at, at, type: 'step', key: 'k', op: { key: 'k', kind: 'tool', name: 'search' }, attempt: 1, startedAt: at, outcome: { ok: 'x'.repeat(3_000) } }
      await store.append('r', fence, at, [step])
      if (at === 200) say('at work')
    }`)
  expect(await child.line()).toBe('at work')
  expect(await backUpDatabase(here.path, copy)).toEqual({ path: copy, bytes: expect.any(Number) })
  expect(inspectDatabase(copy)).toMatchObject({ damage: [], runs: { running: 1 } })
  const restored = await sqliteStore({ path: copy })
  const entries = await restored.load('r', 0)
  expect(entries.length).toBeGreaterThan(200)
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index))
  // Whoever worked on the original is no worker of the copy, though it lives.
  await enlisted(restored, 'w', Date.now())
  const { fence } = await restored.claimRun('w', 'r', Date.now())
  await restored.append('r', fence, entries.length, [step(entries.length)])
  await restored.close()
  expect(readdirSync(here.folder).filter((name) => name.includes('partial'))).toEqual([])
})

it('is refused where a file is', async () => {
  await here.open()
  writeFileSync(copy, 'precious')
  await expect(backUpDatabase(here.path, copy)).rejects.toThrow(
    /There is a file at .*copy\.db already\. A backup replaces nothing/,
  )
})

it('is refused of another database, of what is none, and of nothing', async () => {
  const other = join(here.folder, 'other.db')
  const database = new DatabaseSync(other)
  database.exec('create table accounts (id)')
  database.close()
  await expect(backUpDatabase(other, copy)).rejects.toThrow(/other\.db is no database of Selvage/)
  writeFileSync(other, 'dear diary, '.repeat(1_000))
  await expect(backUpDatabase(other, copy)).rejects.toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  await expect(backUpDatabase(join(here.folder, 'none.db'), copy)).rejects.toThrow(
    expect.objectContaining({ code: 'BAD_INPUT' }),
  )
  expect(existsSync(copy)).toBe(false)
})

it('says which file could not be written, and leaves nothing behind', async () => {
  const store = await here.open()
  await enlisted(store)
  await claimed(store)
  const nowhere = join(here.folder, 'nowhere', 'copy.db')
  await expect(backUpDatabase(here.path, nowhere)).rejects.toThrow(
    expect.objectContaining({ message: expect.stringContaining(nowhere) }),
  )
  await store.create(newRun('other'))
  expect((await store.load('r', 0)).length).toBe(1)
})

it('is whole, whoever makes another one to the same file meanwhile, and leaves nothing beside it', async () => {
  const store = await here.open()
  await enlisted(store)
  const { fence } = await claimed(store)
  const large = (seq: number): ReturnType<typeof step> => step(seq, { outcome: { ok: 'x'.repeat(100_000) } })
  for (let seq = 1; seq <= 30; seq++) await store.append('r', fence, seq, [large(seq)])
  const made = await Promise.allSettled([1, 2, 3].map(() => backUpDatabase(here.path, copy)))
  expect(made.map(({ status }) => status)).toContain('fulfilled')
  expect(inspectDatabase(copy)).toMatchObject({ damage: [], runs: { running: 1 }, workers: [{ leaseUntil: 0 }] })
  expect(readdirSync(here.folder).filter((name) => name.includes('partial'))).toEqual([])
})
