import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, newRun, type Place, place, step } from '../test/place.ts'
import { sqliteStore } from './index.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

/** Changes the file behind the back of any store. */
function tamper(sql: string): void {
  const database = new DatabaseSync(here.path)
  database.exec(sql)
  database.close()
}

describe('opening', () => {
  it('creates the file and its folders, and finds what was there', async () => {
    const path = join(here.folder, 'not', 'there', 'yet.db')
    const first = await here.open({ path })
    expect(first).toMatchObject({ location: `sqlite:${path}`, survives: 'machine-crash' })
    await first.create(newRun('r'))
    await first.close()
    const second = await here.open({ path, durability: 'normal' })
    expect(second.survives).toBe('process')
    expect(await second.describe('r')).toMatchObject({ id: 'r' })
    expect((await here.open({ path: ':memory:' })).survives).toBe('nothing')
  })

  it('sets what durability needs', async () => {
    for (const [durability, synchronous] of [
      ['full', 2],
      ['normal', 1],
    ] as const) {
      // The pragmas of a connection can be asked for in that connection only.
      const script = `import { DatabaseSync } from 'node:sqlite'
        const connections = new Set()
        const prepare = DatabaseSync.prototype.prepare
        DatabaseSync.prototype.prepare = function (sql) { connections.add(this); return prepare.call(this, sql) }
        const { sqliteStore } = await import('@selvage/store-sqlite')
        const store = await sqliteStore({ path: ${JSON.stringify(here.path)}, durability: '${durability}' })
        const [connection] = connections
        const ask = (name) => Object.values(prepare.call(connection, 'pragma ' + name).get())[0]
        console.log(JSON.stringify(['synchronous', 'journal_mode', 'fullfsync', 'checkpoint_fullfsync'].map(ask)))
        await store.close()`
      const out = execFileSync(
        process.execPath,
        ['--conditions=@selvage/source', '--input-type=module', '--eval', script],
        {
          cwd: import.meta.dirname,
        },
      )
      const full = durability === 'full' ? 1 : 0
      expect(JSON.parse(out.toString())).toEqual([synchronous, 'wal', full, full])
    }
  })

  it('leaves nothing beside the file but the bell and the turn', async () => {
    const store = await here.open()
    await enlisted(store)
    await claimed(store)
    await store.close()
    expect(readdirSync(here.folder).sort()).toEqual(['selvage.db', 'selvage.db-bell', 'selvage.db-turn'])
  })

  it('works when many processes do it at once on a file that is not there', async () => {
    const children = Array.from({ length: 6 }, (_, i) =>
      here.child(
        `await store.create({ runId: args[0], start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
        say('created')
        await store.close()`,
        `r${i}`,
      ),
    )
    for (const child of children) expect(await child.line()).toBe('created')
    expect((await (await here.open()).list({})).items.length).toBe(6)
  })

  it('refuses a path that cannot be a file', async () => {
    mkdirSync(join(here.folder, 'folder'))
    writeFileSync(join(here.folder, 'file'), '')
    for (const path of [join(here.folder, 'folder'), join(here.folder, 'file', 'x.db')]) {
      await expect(here.open({ path })).rejects.toMatchObject({
        name: 'UsageError',
        code: 'BAD_INPUT',
        message: expect.stringContaining(path),
      })
    }
  })
})

describe('a file that is not ours to use', () => {
  it('is refused if a newer version wrote it', async () => {
    await (await here.open()).close()
    tamper('pragma user_version = 99')
    await expect(here.open()).rejects.toMatchObject({
      name: 'EngineError',
      code: 'SCHEMA_TOO_NEW',
      message: expect.stringMatching(/selvage\.db has schema 99.*up to \d+\. Update Selvage/),
    })
    const left = new DatabaseSync(here.path)
    expect(left.prepare('pragma user_version').get()).toEqual({ user_version: 99 })
    left.close()
  })

  it('is refused if another application wrote it, and left as it was', async () => {
    tamper("create table accounts (id); insert into accounts values ('precious')")
    const before = readFileSync(here.path)
    await expect(here.open()).rejects.toMatchObject({ name: 'UsageError', code: 'BAD_INPUT' })
    expect(readFileSync(here.path).equals(before)).toBe(true)
    tamper('drop table accounts; pragma application_id = 7')
    await expect(here.open()).rejects.toThrow(/database of another application\. Give Selvage a file of its own/)
  })

  it('is refused if it is no database', async () => {
    writeFileSync(here.path, 'dear diary, '.repeat(1_000))
    await expect(here.open()).rejects.toMatchObject({
      name: 'EngineError',
      code: 'CORRUPT',
      message: expect.stringContaining(here.path),
    })
  })

  it('is refused if it is damaged, when that is found', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    await store.append(
      'r',
      fence,
      1,
      Array.from({ length: 200 }, (_, i) => step(i + 1)),
    )
    await store.close()
    const bytes = readFileSync(here.path)
    // All pages but the first, which the header and the schema are on.
    bytes.fill(0xa5, 4096 * 4)
    writeFileSync(here.path, bytes)
    const read = async (): Promise<unknown> => (await here.open()).load('r', 0)
    await expect(read()).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(here.path) })
  })

  it('is refused an entry that cannot be parsed', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [step(1)])
    tamper("update entry set body = '{' where seq = 1")
    await expect(store.load('r', 0)).rejects.toMatchObject({ code: 'CORRUPT', details: { runId: 'r', seq: 1 } })
  })
})

describe('a place that cannot be written', () => {
  const tryOpen = (path: string): string => {
    // A user of its own: root may write everywhere.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const script = `import { sqliteStore } from '@selvage/store-sqlite'
      try { await (await sqliteStore({ path: ${JSON.stringify(path)} })).close(); console.log('opened') }
      catch (error) { console.log(error.name, error.code, error.message) }`
    return execFileSync(process.execPath, ['--conditions=@selvage/source', '--input-type=module', '--eval', script], {
      cwd: import.meta.dirname,
      ...asNobody,
    }).toString()
  }

  it('is said to be so: a folder', () => {
    chmodSync(here.folder, 0o555)
    expect(tryOpen(here.path)).toMatch(new RegExp(`^EngineError READ_ONLY .*${here.path}.*write access`))
    expect(tryOpen(join(here.folder, 'a', 'b.db'))).toMatch(/^EngineError READ_ONLY /)
    chmodSync(here.folder, 0o777)
    expect(tryOpen(join(here.folder, 'c', 'd.db'))).toBe('opened\n')
  })

  it('is said to be so: a file', async () => {
    await (await here.open()).close()
    chmodSync(here.folder, 0o777)
    chmodSync(here.path, 0o444)
    expect(tryOpen(here.path)).toMatch(new RegExp(`^EngineError READ_ONLY .*${here.path}.*write access`))
  })
})

describe('a full disk', () => {
  it('refuses what does not fit, keeps what was acknowledged, and goes on when there is space', async () => {
    const pages = 60
    const store = await here.open({ maxBytes: pages * 4096 })
    await enlisted(store)
    const { fence } = await claimed(store)
    let length = 1
    const full = await (async () => {
      for (;;) {
        try {
          await store.append('r', fence, length, [step(length, { outcome: { ok: 'x'.repeat(3_000) } })])
          length++
        } catch (error) {
          return error
        }
      }
    })()
    expect(full).toMatchObject({
      name: 'EngineError',
      code: 'DISK_FULL',
      message: expect.stringContaining(here.path),
      details: { path: here.path },
    })
    expect(length).toBeGreaterThan(10)
    expect((await store.load('r', 0)).length).toBe(length)
    expect(await store.describe('r')).toMatchObject({ entries: length, steps: length - 1 })
    // All of a group are told, and none of it is there.
    const group = await Promise.allSettled([
      store.create(newRun('a', { input: 'x'.repeat(5_000) })),
      store.append('r', fence, length, [step(length, { outcome: { ok: 'x'.repeat(5_000) } })]),
    ])
    expect(group).toMatchObject([{ reason: { code: 'DISK_FULL' } }, { reason: { code: 'DISK_FULL' } }])
    await expect(store.describe('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })

    await store.close()
    const roomy = await sqliteStore({ path: here.path })
    await roomy.enlist({ id: 'w2', pid: 1, host: 'h' }, 10_000, 2_000)
    const again = await roomy.claimRun('w2', 'r', 2_000)
    expect(again.cursor).toBe(length)
    await roomy.append('r', again.fence, length, [step(length)])
    await roomy.close()
  })
})
