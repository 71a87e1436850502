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

serveSteps({
  inOneRun: async (count) => (await watch([count])).stepMs,
  atOnce: (runs, count) => watch(new Array<number>(runs).fill(count)),
  async count() {
    if (url === undefined) return undefined
    const sql = postgres(url, { max: 1 })
    const [row] = await sql`select count(*)::int as count from openworkflow.step_attempts where status = 'completed'`
    await sql.end()
    return row?.count
  },
  close: () => backend.stop(),
})

async function watch(counts: readonly number[]): ReturnType<Timed['watch']> {
  // As many places as there are runs: a free one is a query at each look for work.
  const worker = openworkflow.newWorker({ concurrency: counts.length })
  await worker.start()
  const times = await timed.watch(counts, (from) => workflow.run({ count: counts[from] ?? 0, from }))
  await worker.stop()
  return times
}
