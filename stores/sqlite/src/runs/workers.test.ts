import { spawnSync } from 'node:child_process'
import { readdirSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, LEASE_MS, type Place, place } from '../../test/place.ts'

let here: Place
let store: Store
beforeEach(async () => {
  here = place()
  store = await here.open()
})
afterEach(() => here.close())

const locks = (): string[] => readdirSync(here.folder).filter((name) => name.includes('-worker-'))

describe('the lock of a worker', () => {
  it('is there as long as it is enlisted', async () => {
    await enlisted(store, 'w1')
    expect(locks()).toEqual(['selvage.db-worker-w1.lock'])
    await store.dismiss('w1')
    expect(locks()).toEqual([])
  })

  it('that acts on is left to its process', async () => {
    await enlisted(store, 'w1')
    await store.dismiss('w1', true)
    await store.close()
    expect(locks()).toEqual(['selvage.db-worker-w1.lock'])
  })
})

describe('a worker that lives', () => {
  const looker = `import { openSync } from 'node:fs'
    import { sqliteStore } from '@selvage/store-sqlite'
    const [path] = process.argv.slice(1)
    const store = await sqliteStore({ path })
    try { for (;;) openSync('/dev/null') } catch (error) { console.log(error.code) }
    console.log(JSON.stringify(await store.dead(1_500)))
    process.kill(process.pid, 'SIGKILL')`

  it('is no dead one for a process that may open no more files', async () => {
    await enlisted(store, 'w1')
    const node = [process.execPath, '--conditions=@selvage/source', '--input-type=module', '--eval', looker, here.path]
    const { stdout } = spawnSync('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...node], { cwd: import.meta.dirname })
    expect(stdout.toString().split('\n')).toEqual(['EMFILE', '[]', ''])
  })
})

describe('a worker whose lock file somebody has removed', () => {
  it('is no dead one, until its lease is over', async () => {
    await enlisted(store, 'w1')
    await claimed(store, 'r', 'w1')
    for (const name of locks()) unlinkSync(join(here.folder, name))
    const other = await here.open()
    await enlisted(other, 'w2')
    expect(await other.dead(10_999)).toEqual([])
    await expect(other.claimRun('w2', 'r', 10_999)).rejects.toMatchObject({ code: 'RUN_HELD' })
    expect(await other.dead(11_000)).toEqual(['w1', 'w2'])
  })
})

describe('lock files', () => {
  it('have safe names, whatever the id of the worker', async () => {
    await enlisted(store, '../evil/…\ud800')
    expect(locks().length).toBe(1)
    const other = await here.open()
    expect(await other.reap(1_000)).toBe(0)
    await expect(enlisted(store, '../evil/…\ud800')).rejects.toThrow()
    await claimed(store, 'r', '../evil/…\ud800')
    expect(await store.describe('r')).toMatchObject({ owner: { worker: '../evil/…\ud800' } })
  })

  it('left behind by workers that nobody knows are removed, unless young or locked', async () => {
    const left = (id: string): string => `${here.path}-worker-${id}.lock`
    writeFileSync(left('old'), '')
    utimesSync(left('old'), 0, 0)
    writeFileSync(left('young'), '')
    await enlisted(store, 'w1')
    expect(locks().sort()).toEqual(['selvage.db-worker-w1.lock', 'selvage.db-worker-young.lock'])
  })
})

describe('in memory', () => {
  it('the lease alone decides', async () => {
    const memory = await here.open({ path: ':memory:' })
    await enlisted(memory, 'w1', 0)
    await claimed(memory, 'r', 'w1')
    expect(await memory.reap(LEASE_MS - 1)).toBe(0)
    expect(await memory.reap(LEASE_MS)).toBe(1)
  })
})
