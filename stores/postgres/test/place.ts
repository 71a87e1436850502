/** A schema of its own for a test, the stores opened in it, and child processes that open them too. */
import type { Store } from '@selvage/core'
import { type Child, type StorePlace, spawnChild } from '@selvage/testing/store'
import { type PostgresStoreOptions, postgresStore } from '../src/index.ts'

export interface Place extends StorePlace {
  readonly url: string
  readonly schema: string
  open(options?: Partial<PostgresStoreOptions>): Promise<Store>
}

const OPENING = `import { postgresStore } from '@selvage/store-postgres'
  const store = await postgresStore(JSON.parse(process.argv[1]))`

let schemas = 0

export function place(url: string): Place {
  const schema = `place ${process.pid} ${++schemas}`
  const stores: Store[] = []
  const children: Child[] = []
  return {
    url,
    schema,
    async open(options = {}) {
      const store = await postgresStore({ url, schema, connections: 4, durability: 'normal', ...options })
      stores.push(store)
      return store
    },
    child(script, ...args) {
      const child = spawnChild(OPENING, script, JSON.stringify({ url, schema }), args, import.meta.dirname)
      children.push(child)
      return child
    },
    async close() {
      for (const { process } of children) process.kill('SIGKILL')
      await Promise.all(children.map(({ exited }) => exited))
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}
