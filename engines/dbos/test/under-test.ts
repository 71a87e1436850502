/**
 * The engine on DBOS, as the conformance sections and their child processes open it: in the database that
 * `SELVAGE_TEST_DBOS_URL` names, with an application, and so a schema, of its own for each folder.
 */
import { createHash } from 'node:crypto'
import type { Program } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { type DbosEngine, type DbosOptions, dbosEngine } from '@selvage/engine-dbos'
import { nodeRuntime } from '@selvage/runtime-node'
import type { OpenedEngine, PlaceOptions } from '@selvage/testing/conformance'
import pg from 'pg'

export const DATABASE = 'SELVAGE_TEST_DBOS_URL'

/** Of a worker that was killed; frozen ones wait for their lease. */
const LEASE_MS = 1_500

export function open(
  folder: string,
  { leaseMs = LEASE_MS, rotateAfter: advances }: PlaceOptions = {},
): Promise<OpenedEngine & { readonly engine: DbosEngine }> {
  return openIn(folder, { leaseMs, ...(advances !== undefined && { rotateAfter: { advances } }) })
}

/** Of the application, and so of the schema. */
export function nameOf(folder: string): string {
  return `t${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

export async function openIn(
  folder: string,
  options: Partial<DbosOptions> = {},
): Promise<OpenedEngine & { readonly engine: DbosEngine }> {
  const runtime = nodeRuntime()
  const name = nameOf(folder)
  // Who waits is parked at once: however fast the machine, a kill finds it there. Lingering has tests of the engine's own.
  const engine = dbosEngine({ url: process.env[DATABASE] ?? '', name, pollMs: 20, lingerMs: 0, ...options })
  const host = (programs: readonly Program[]) => hostOn(engine, runtime, programs)
  return { engine, host, generations: (runId) => generationsOf(name, runId) }
}

async function generationsOf(schema: string, runId: string): Promise<number> {
  const client = new pg.Client({ connectionString: process.env[DATABASE] })
  await client.connect()
  try {
    const { rows } = await client.query(`select generation + 1 as count from ${schema}.run where id = $1`, [runId])
    return rows[0].count
  } finally {
    await client.end()
  }
}
