/** node steps.ts <folder> <shape> <PostgreSQL url>: DBOS Transact; a step is `DBOS.runStep` in a registered workflow. */
import { DBOS } from '@dbos-inc/dbos-sdk'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'
import { Timed } from '../../src/timed.ts'

const [, shape = '{}', url = ''] = process.argv.slice(2)
const payload = payloads((JSON.parse(shape) as StepShape).bytes)
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error', systemDatabasePoolSize: 20 })
const timed = new Timed()
const workflow = DBOS.registerWorkflow(
  async (count: number, from: number) => {
    const run = timed.run()
    for (let n = 0; n < count; n++) {
      await run.step(() => DBOS.runStep(async () => payload(from + n), { name: 'step' }))
    }
    run.end()
  },
  { name: 'steps' },
)
await DBOS.launch()
const ids: string[] = []
let handles: Promise<unknown>[] = []

async function start(count: number, from: number): Promise<void> {
  const handle = await DBOS.startWorkflow(workflow)(count, from)
  ids.push(handle.workflowID)
  handles.push(handle.getResult())
}

serveSteps({
  async inOneRun(count) {
    return (await watch([count])).stepMs
  },
  atOnce: (runs, count) => watch(new Array<number>(runs).fill(count)),
  async count() {
    let steps = 0
    for (const id of ids) steps += (await DBOS.listWorkflowSteps(id))?.length ?? 0
    return steps
  },
  close: () => DBOS.shutdown(),
})

async function watch(counts: readonly number[]): ReturnType<Timed['watch']> {
  handles = []
  const times = await timed.watch(counts, (from) => start(counts[from] ?? 0, from))
  await Promise.all(handles)
  return times
}
