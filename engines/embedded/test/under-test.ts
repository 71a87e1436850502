/** The embedded engine on SQLite, as the conformance sections and their child processes open it. */
import { join } from 'node:path'
import { createHost, type Engine, type Host, type Program } from '@selvage/core'
import { embeddedEngine } from '@selvage/engine-embedded'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'

export async function open(
  folder: string,
  { leaseMs }: { readonly leaseMs?: number } = {},
): Promise<{ engine: Engine; host(programs: readonly Program[]): Host }> {
  const runtime = nodeRuntime()
  const store = await sqliteStore({ path: join(folder, 'selvage.db') })
  const engine = embeddedEngine({ store, runtime, ...(leaseMs !== undefined && { leaseMs }) })
  const { manifest } = engine
  const { blobs } = store
  return {
    engine,
    host: (programs) => createHost({ runtime, manifest, programs: () => programs, outbound: engine, blobs }),
  }
}
