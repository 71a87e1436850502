/** node wakes.ts <folder> <count> <PostgreSQL url>: from `DBOS.send` to the step behind `DBOS.recv`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DBOS } from '@dbos-inc/dbos-sdk'

const PAUSE_MS = 23

const [, count = '0', url = ''] = process.argv.slice(2)
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
let sentAt = 0
let waiting: PromiseWithResolvers<void> = Promise.withResolvers()
const listener = DBOS.registerWorkflow(
  async (wanted: number) => {
    for (let n = 0; n < wanted; n++) {
      waiting.resolve()
      await DBOS.recv('go', 60)
      await DBOS.runStep(async () => void process.send?.(performance.now() - sentAt), { name: 'heard' })
    }
  },
  { name: 'listener' },
)
await DBOS.launch()
const run = await DBOS.startWorkflow(listener)(Number(count))
for (let n = 0; n < Number(count); n++) {
  await waiting.promise
  waiting = Promise.withResolvers()
  await sleep(PAUSE_MS)
  sentAt = performance.now()
  await DBOS.send(run.workflowID, n, 'go')
}
await run.getResult()
process.send?.('ended', () => process.exit())
