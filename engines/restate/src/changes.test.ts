import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { Changes } from '@selvage/core/engines'
import { nodePlatform } from '@selvage/runtime-node'
import { afterEach, expect, it } from 'vitest'
import { servicesOf } from './kept.ts'
import { Partitions } from './partitions.ts'
import { describe, type Known, Records } from './records.ts'
import { RestateServer } from './server.ts'

let http: Server | undefined
afterEach(() => http?.close())

/** Records on a server that answers each statement by `answer`. */
async function recordsOn(answer: (sql: string) => readonly object[]): Promise<Records> {
  http = createServer(async (request, response) => {
    const { query } = (await json(request)) as { query: string }
    response.end(JSON.stringify({ rows: answer(query) }))
  })
  await new Promise<void>((resolve) => http?.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const server = new RestateServer({ ingress: url, admin: url, headers: {} })
  return new Records(server, new Partitions(server), servicesOf('test'))
}

it('the end of a generation is not missed where the one before ended with as many entries', async () => {
  // Seen while the first generation runs; by the next look both are over.
  let looks = 0
  const records = await recordsOn((sql) => {
    if (sql.includes('limit 1')) return []
    if (sql.includes('from state')) {
      const generation = Math.min(looks++, 2)
      const over = generation === 2 ? { over: { outcome: { ok: 'made' } } } : {}
      const run = { start: { program: 'p', input: null }, generation, invocation: `inv-${Math.min(generation, 1)}` }
      const none = { createdAt: 1, updatedAt: 1, entries: 0, steps: 0, reopenings: 0, heard: 0, signals: [] }
      const value_utf8 = JSON.stringify({ ...run, ...none, questions: [], ...over })
      return [{ service_name: 'test', service_key: 'r', key: 'run', value_utf8 }]
    }
    if (sql.includes('from sys_journal')) {
      const id = /inv-\d/.exec(sql)?.[0]
      return [{ id, entry_type: 'Command: Run', raw: '' }]
    }
    if (sql.includes('from sys_invocation_status')) return [{ id: `inv-${Math.min(looks - 1, 1)}`, key: 'r' }]
    return [{ journal_size: 25, status: 'completed' }]
  })
  const changes = new Changes('Restate', nodePlatform(), {}, async (runId) => {
    const known = (await records.find(runId)) as Known
    return { ...describe(known), pulse: () => records.pulse(known) }
  })
  await changes.wait('r', { status: 'running' })
  expect((await records.find('r'))?.kept.over).toEqual({ outcome: { ok: 'made' } })
})
