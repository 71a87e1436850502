/** node steps.ts <folder> <shape> [PostgreSQL url]: OpenWorkflow, on SQLite unless a server is named. */
import { join } from 'node:path'
import { OpenWorkflow } from 'openworkflow'
import { BackendPostgres } from 'openworkflow/postgres'
import { BackendSqlite } from 'openworkflow/sqlite'
import postgres from 'postgres'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'
import { Timed } from '../../src/timed.ts'

/** "Max concurrent workflow runs": as many as the bench has at once, so that none waits for a place. */
const CONCURRENCY = 512

const [folder = '', shape = '{}', url] = process.argv.slice(2)
const payload = payloads((JSON.parse(shape) as StepShape).bytes)
const backend =
  url === undefined ? BackendSqlite.connect(join(folder, 'openworkflow.db')) : await BackendPostgres.connect(url)
const openworkflow = new OpenWorkflow({ backend })
const timed = new Timed()
const workflow = openworkflow.defineWorkflow<{ count: number; from: number }, null>(
  { name: 'steps' },
  async ({ input, step }) => {
    const run = timed.run()
    for (let n = 0; n < input.count; n++) {
      await run.step(() => step.run({ name: 'step' }, () => payload(input.from + n)))
    }
    run.end()
    return null
  },
)
const alone = openworkflow.newWorker({ concurrency: 1 })
const many = openworkflow.newWorker({ concurrency: CONCURRENCY })

serveSteps({
  async inOneRun(count) {
    await alone.start()
    const times = await timed.watch([count], () => workflow.run({ count, from: 0 }))
    await alone.stop()
    return times.stepMs
  },
  async atOnce(runs, count) {
    await many.start()
    const times = await timed.watch(new Array<number>(runs).fill(count), (from) => workflow.run({ count, from }))
    await many.stop()
    return times
  },
  async count() {
    if (url === undefined) return undefined
    const sql = postgres(url, { max: 1 })
    const [row] = await sql`select count(*)::int as count from openworkflow.step_attempts where status = 'completed'`
    await sql.end()
    return row?.count
  },
  close: () => backend.stop(),
})
