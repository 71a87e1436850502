/** This engine as `npm run figures` measures it. */
import type { OpenedEngine } from '@selvage/testing/conformance'
import { RestateTestServer } from '@selvage/testing/servers'
import { openOn, URLS } from './under-test.ts'

export const title = 'Restate'
export const namesSteps = true

export async function begin() {
  const server = await RestateTestServer.open()
  process.env[URLS] = JSON.stringify({ ingress: server.ingress, admin: server.admin })
  return {
    pid: () => server.pid,
    close: () => server.close(),
    /** In Restate's journal, which is kept for a day, and in the state. */
    async bytesOf(runId: string): Promise<number> {
      const sums = await Promise.all(
        [
          `select sum(raw_length) as bytes from sys_journal where id in
            (select id from sys_invocation where target_service_key = '${runId}' and target_handler_name = 'drive')`,
          `select sum(value_length) as bytes from state where service_key = '${runId}'`,
        ].map(async (query) => {
          const response = await fetch(`${server.admin}/query`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', accept: 'application/json' },
            body: JSON.stringify({ query }),
          })
          return ((await response.json()) as { rows: readonly { bytes: number }[] }).rows[0]?.bytes ?? 0
        }),
      )
      return sums.reduce((sum, bytes) => sum + bytes, 0)
    },
  }
}

export async function open(folder: string, options: { readonly namesSteps: boolean }): Promise<OpenedEngine> {
  return await openOn(JSON.parse(process.env[URLS] ?? '{}'), folder, options)
}
