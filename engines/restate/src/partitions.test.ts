/** Against a real server: where keys are not hashed as it does, each read goes through all of its runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enginePrograms } from '@selvage/testing'
import { noRestate, RestateTestServer } from '@selvage/testing/servers'
import { expect, it, onTestFinished } from 'vitest'
import { openOn } from '../test/under-test.ts'
import { Partitions } from './partitions.ts'
import { RestateServer } from './server.ts'

const missing = noRestate()
if (missing !== undefined) console.info(`partitions of restate: skipped: ${missing}`)

/** XXH3 is four functions, by length. */
const KEYS = ['r', 'é-ünï', ...[16, 17, 128, 129, 240, 241, 3_000].map((length) => 'k'.repeat(length - 1))]

it.skipIf(missing !== undefined)(
  'a run is found by the number that the server gives its key',
  async () => {
    const server = await RestateTestServer.open()
    const folder = mkdtempSync(join(tmpdir(), 'selvage-restate-partitions-'))
    onTestFinished(async () => {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const asked: string[] = []
    const restate = new RestateServer({ ...server, headers: {} })
    const listening = Object.assign(Object.create(restate) as RestateServer, {
      query: (sql: string) => {
        asked.push(sql)
        return restate.query(sql)
      },
    })
    const partitions = new Partitions(listening)
    expect(await partitions.among('service_key', ['r'])).toBe("service_key in ('r')")
    const { engine, host } = await openOn(server, folder)
    await engine.serve(host(enginePrograms(() => {})))
    for (const key of KEYS) await engine.start(key, { program: 'count', input: 1 })
    for (const key of KEYS) {
      while ((await engine.describe(key)).outcome === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
      const where = await partitions.among('service_key', [key])
      const number = /^partition_key in \((\d+)\) and service_key in /.exec(where)?.[1]
      const rows = await restate.query(`select service_key from state where partition_key = ${number} and key = 'run'`)
      expect(rows).toEqual([{ service_key: key }])
    }
    // Asked while it held nothing, and once more.
    expect(asked).toHaveLength(2)
    await engine.close()
  },
  60_000,
)

it('a server that hashes otherwise is asked as if nothing were known', async () => {
  const other = { query: async () => [{ service_key: 'r', partition: '17' }] } as unknown as RestateServer
  expect(await new Partitions(other).among('service_key', ['a', "b'", 'a'])).toBe("service_key in ('a', 'b''')")
})

it('a server that could not be asked is asked again', async () => {
  let tries = 0
  const failing = {
    query: async () => {
      if (tries++ === 0) throw new Error('gone')
      return []
    },
  } as unknown as RestateServer
  const partitions = new Partitions(failing)
  await expect(partitions.among('service_key', ['a'])).rejects.toThrow('gone')
  expect(await partitions.among('service_key', ['a'])).toBe("service_key in ('a')")
})
