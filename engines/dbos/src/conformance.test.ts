import { conformance } from '@selvage/testing/conformance'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { AGENTS } from '@selvage/testing-agents'
import { afterAll, test } from 'vitest'
import { damage } from '../test/damage.ts'
import { DATABASE, open } from '../test/under-test.ts'

const neverHit = {
  'host.before-append': 'DBOS keeps the journal',
  'host.after-append': 'DBOS keeps the journal',
  'store.before-commit': 'there is no store',
  'store.after-commit': 'there is no store',
}

const missing = noPostgres()
if (missing === undefined) {
  const server = await PostgresTestServer.open()
  afterAll(() => server.close())
  process.env[DATABASE] = await server.createDatabase()
  // Whoever takes a run over waits until the other one has been silent for long enough.
  const plays = { kills: 1, seeds: 2 }
  const module = new URL('../test/under-test.ts', import.meta.url).href
  await conformance({ open, module, neverHit, damage, plays, more: AGENTS })
} else {
  console.info(`dbos: skipped: ${missing}`)
  test('dbos', ({ skip }) => skip(missing))
}
