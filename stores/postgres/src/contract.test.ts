import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { storeContract } from '@selvage/testing/store'
import { afterAll, test } from 'vitest'
import { place } from '../test/place.ts'

const missing = noPostgres()
if (missing === undefined) {
  const server = await PostgresTestServer.open()
  afterAll(() => server.close())
  const url = await server.createDatabase()
  storeContract(() => place(url))
} else {
  console.info(`postgres: skipped: ${missing}`)
  test('postgres', ({ skip }) => skip(missing))
}
