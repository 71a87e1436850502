/** A folder of its own for a test, the stores opened in it, and child processes that open them too. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@selvage/core'
import { type Child, type StorePlace, spawnChild } from '@selvage/testing/store'
import { type SqliteStoreOptions, sqliteStore } from '../src/index.ts'

export { type Child, claimed, end, enlisted, LEASE_MS, newRun, P, step } from '@selvage/testing/store'

export interface Place extends StorePlace {
  readonly folder: string
  readonly path: string
  open(options?: Partial<SqliteStoreOptions>): Promise<Store>
}

const OPENING = `import { sqliteStore } from '@selvage/store-sqlite'
  const store = await sqliteStore({ path: process.argv[1] })`

export function place(given: Partial<SqliteStoreOptions> = {}): Place {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'selvage-sqlite-')))
  const path = join(folder, 'selvage.db')
  const stores: Store[] = []
  const children: Child[] = []
  return {
    folder,
    path,
    async open(options = {}) {
      const store = await sqliteStore({ path, ...given, ...options })
      stores.push(store)
      return store
    },
    child(script, ...args) {
      const child = spawnChild(OPENING, script, path, args, import.meta.dirname)
      children.push(child)
      return child
    },
    async close() {
      for (const { process } of children) process.kill('SIGKILL')
      await Promise.all(children.map(({ exited }) => exited))
      await Promise.all(stores.map((store) => store.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
