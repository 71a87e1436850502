/**
 * The engine on Restate, as the conformance sections and their child processes open it: on the server that
 * `SELVAGE_TEST_RESTATE_URLS` names, with objects and a port of its own for each folder. All workers of a folder share the
 * port, so that the server finds whichever is alive.
 */
import { createHash } from 'node:crypto'
import { existsSync, linkSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Program } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { type RestateEngine, type RestateOptions, restateEngine } from '@selvage/engine-restate'
import { nodeRuntime } from '@selvage/runtime-node'
import type { OpenedEngine, PlaceOptions } from '@selvage/testing/conformance'
import { freePorts } from '@selvage/testing/servers'

export interface Urls {
  readonly ingress: string
  readonly admin: string
}

/** `impatient`: a server that gives a worker up which stands still, where the sections ask for one. */
export interface Servers extends Urls {
  readonly impatient?: Urls
}

export const URLS = 'SELVAGE_TEST_RESTATE_URLS'

export async function open(
  folder: string,
  { rotateAfter: advances, leaseMs }: PlaceOptions = {},
): Promise<OpenedEngine & { readonly engine: RestateEngine }> {
  const options = advances === undefined ? {} : { rotateAfter: { advances } }
  const { impatient, ...patient } = JSON.parse(process.env[URLS] ?? '{}') as Servers
  return await openOn(leaseMs === undefined ? patient : (impatient ?? patient), folder, options)
}

export async function openOn(
  { ingress, admin }: Urls,
  folder: string,
  options: Partial<RestateOptions> = {},
): Promise<OpenedEngine & { readonly engine: RestateEngine }> {
  const runtime = nodeRuntime()
  const port = await portOf(folder)
  const name = `t${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
  const engine = restateEngine({ ingress, admin, name, listen: { port, reusePort: true }, ...options })
  const host = (programs: readonly Program[]) => hostOn(engine, runtime, programs)
  // As a deployment does it: commands are accepted from here on, though nobody works.
  if (!existsSync(join(folder, 'registered'))) {
    await (await engine.serve(host([]))).stop()
    writeFileSync(join(folder, 'registered'), '')
  }
  return { engine, host, generations: (runId) => generationsOf(admin, name, runId) }
}

async function generationsOf(admin: string, service: string, runId: string): Promise<number> {
  const query = `select id from sys_invocation where target_service_name = '${service}' and target_service_key = '${runId}'`
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  const response = await fetch(`${admin}/query`, { method: 'POST', headers, body: JSON.stringify({ query }) })
  return ((await response.json()) as { rows: readonly unknown[] }).rows.length
}

async function portOf(folder: string): Promise<number> {
  const file = join(folder, 'port')
  if (!existsSync(file)) {
    const own = `${file}-${process.pid}`
    writeFileSync(own, String((await freePorts(1))[0]))
    // Of several that open the folder at once the first counts, and nobody reads half of it.
    try {
      linkSync(own, file)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error
    }
  }
  return Number(readFileSync(file, 'utf8'))
}
