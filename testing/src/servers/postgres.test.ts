import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { noPostgres, PostgresTestServer } from './postgres.ts'

const missing = noPostgres()
if (missing !== undefined) console.info(`postgres: skipped: ${missing}`)

test('a database is there for one test, and a killed server goes on with it', async ({ skip }) => {
  if (missing !== undefined) return skip(missing)
  const server = await PostgresTestServer.open()
  try {
    const url = await server.createDatabase()
    expect(new URL(url).pathname).toMatch(/^\/selvage_test_/)
    if (server.isOwn) {
      const { pid } = server
      await server.kill()
      expect(existsSync(`/proc/${pid}`)).toBe(false)
      await server.start()
      expect(server.log).toContain('was not properly shut down')
    }
    await server.dropDatabase(url)
    await expect(server.dropDatabase(url)).rejects.toThrow('no database of this test server')
  } finally {
    await server.close()
  }
})
