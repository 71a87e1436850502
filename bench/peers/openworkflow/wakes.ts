/**
 * node wakes.ts <folder> [PostgreSQL url]: from `sendSignal` to the step behind `step.waitForSignal`. A signal that nobody
 * waits for yet is dropped there, so it is sent again until a run has received it; that is when the time begins. A run that
 * has received one and sleeps on all the same is left alone: `null`, and another run has the next ones.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenWorkflow } from 'openworkflow'
import { BackendPostgres } from 'openworkflow/postgres'
import { BackendSqlite } from 'openworkflow/sqlite'
import { serveWakes, type WakesRequest } from '../../src/serve-wakes.ts'

const PAUSE_MS = 23
const LOST_MS = 3_000

interface Wanted extends WakesRequest {
  readonly from: number
}

const [folder = '', url] = process.argv.slice(2)
const backend =
  url === undefined ? BackendSqlite.connect(join(folder, 'openworkflow.db')) : await BackendPostgres.connect(url)
const openworkflow = new OpenWorkflow({ backend })
const heard: (number | null)[] = []
let sentAt = 0
let waitsFor = -1
const listener = openworkflow.defineWorkflow<Wanted, null>({ name: 'listener' }, async ({ input, step }) => {
  for (let n = input.from; n < input.count; n++) {
    waitsFor = n
    await step.waitForSignal({ name: `wait-${n}`, signal: signalOf(input, n) })
    await step.run({ name: `heard-${n}` }, () => void heard.push(performance.now() - sentAt))
  }
  return null
})

serveWakes(async (request) => {
  heard.length = 0
  waitsFor = -1
  const worker = openworkflow.newWorker({ concurrency: 1 })
  await worker.start()
  await listener.run({ ...request, from: 0 })
  for (let n = 0; n < request.count; n++) {
    while (waitsFor < n) await sleep(1)
    await send(signalOf(request, n))
    while (heard.length <= n && performance.now() - sentAt < LOST_MS) await sleep(1)
    if (heard.length > n) continue
    heard.push(null)
    await listener.run({ ...request, from: n + 1 })
  }
  await worker.stop()
  return heard
})

async function send(signal: string): Promise<void> {
  for (;;) {
    await sleep(PAUSE_MS)
    sentAt = performance.now()
    const { workflowRunIds } = await openworkflow.sendSignal({ signal })
    if (workflowRunIds.length > 0) return
  }
}

function signalOf({ round }: WakesRequest, n: number): string {
  return `go-${round}-${n}`
}
