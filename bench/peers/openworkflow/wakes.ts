/**
 * node wakes.ts <folder> <count> [PostgreSQL url]: from `sendSignal` to the step behind `step.waitForSignal`. A signal that
 * nobody waits for yet is dropped there, so it is sent again until a run has received it; that is when the time begins.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenWorkflow } from 'openworkflow'
import { BackendPostgres } from 'openworkflow/postgres'
import { BackendSqlite } from 'openworkflow/sqlite'

const AGAIN_MS = 23

const [folder = '', count = '0', url] = process.argv.slice(2)
const backend =
  url === undefined ? BackendSqlite.connect(join(folder, 'openworkflow.db')) : await BackendPostgres.connect(url)
const openworkflow = new OpenWorkflow({ backend })
let heard = 0
let sentAt = 0
const listener = openworkflow.defineWorkflow<number, null>({ name: 'listener' }, async ({ input, step }) => {
  for (let n = 0; n < input; n++) {
    await step.waitForSignal({ name: `wait-${n}`, signal: `go-${n}` })
    await step.run({ name: `heard-${n}` }, () => {
      process.send?.(performance.now() - sentAt)
      heard++
    })
  }
  return null
})
const worker = openworkflow.newWorker({ concurrency: 1 })
await worker.start()
await listener.run(Number(count))
for (let n = 0; n < Number(count); n++) {
  for (;;) {
    sentAt = performance.now()
    const { workflowRunIds } = await openworkflow.sendSignal({ signal: `go-${n}` })
    if (workflowRunIds.length > 0) break
    await sleep(AGAIN_MS)
  }
  while (heard <= n) await sleep(1)
}
await worker.stop()
process.send?.('ended', () => process.exit())
