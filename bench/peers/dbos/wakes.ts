/** node wakes.ts <folder> <PostgreSQL url>: from `DBOS.send` to the step behind `DBOS.recv`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DBOS } from '@dbos-inc/dbos-sdk'
import { serveWakes } from '../../src/serve-wakes.ts'

const PAUSE_MS = 23

const [, url = ''] = process.argv.slice(2)
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error', systemDatabasePoolSize: 20 })
let heard: number[] = []
let sentAt = 0
let waiting: PromiseWithResolvers<void> = Promise.withResolvers()
const listener = DBOS.registerWorkflow(
  async (wanted: number) => {
    for (let n = 0; n < wanted; n++) {
      waiting.resolve()
      await DBOS.recv('go', 60)
      await DBOS.runStep(async () => void heard.push(performance.now() - sentAt), { name: 'heard' })
    }
  },
  { name: 'listener' },
)
await DBOS.launch()

serveWakes(async ({ count }) => {
  heard = []
  waiting = Promise.withResolvers()
  const run = await DBOS.startWorkflow(listener)(count)
  for (let n = 0; n < count; n++) {
    await waiting.promise
    waiting = Promise.withResolvers()
    await sleep(PAUSE_MS)
    sentAt = performance.now()
    await DBOS.send(run.workflowID, n, 'go')
  }
  await run.getResult()
  return heard
})
