import { conformance } from '@selvage/testing/conformance'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { AGENTS } from '@selvage/testing-agents'
import { afterAll, test } from 'vitest'
import { damage } from '../test/damage-postgres.ts'
import { DATABASE, open } from '../test/under-test-postgres.ts'

const missing = noPostgres()
if (missing === undefined) {
  const server = await PostgresTestServer.open()
  afterAll(() => server.close())
  process.env[DATABASE] = await server.createDatabase()
  const plays = { kills: 1, seeds: 2 }
  const module = new URL('../test/under-test-postgres.ts', import.meta.url).href
  await conformance({ open, module, name: 'embedded, PostgreSQL', damage, plays, more: AGENTS })
} else {
  console.info(`postgres: skipped: ${missing}`)
  test('postgres', ({ skip }) => skip(missing))
}
