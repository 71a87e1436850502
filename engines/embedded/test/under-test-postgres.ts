/** The embedded engine on PostgreSQL, as the conformance sections and their child processes open it: a folder is a schema. */
import { basename } from 'node:path'
import { createHost, type Engine, type Host, type Program } from '@selvage/core'
import { embeddedEngine } from '@selvage/engine-embedded'
import { nodeRuntime } from '@selvage/runtime-node'
import { postgresStore } from '@selvage/store-postgres'

/** Where child processes find the database. */
export const DATABASE = 'SELVAGE_TEST_POSTGRES_DATABASE'

export async function open(
  folder: string,
  { leaseMs }: { readonly leaseMs?: number } = {},
): Promise<{ engine: Engine; host(programs: readonly Program[]): Host }> {
  const runtime = nodeRuntime()
  const store = await postgresStore({ url: process.env[DATABASE] ?? '', schema: basename(folder), connections: 4 })
  const engine = embeddedEngine({ store, runtime, ...(leaseMs !== undefined && { leaseMs }) })
  const { manifest } = engine
  const { blobs } = store
  return {
    engine,
    host: (programs) => createHost({ runtime, manifest, programs: () => programs, outbound: engine, blobs }),
  }
}
