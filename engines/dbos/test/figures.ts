/**
 * `node engines/dbos/test/figures.ts`: what a step costs on DBOS, on this machine and as busy as it is. For docs/engines.md.
 * Builds nothing: `npx tsc -b` first.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Engine } from '@selvage/core'
import { enginePrograms } from '@selvage/testing'
import { PostgresTestServer } from '@selvage/testing/servers'
import pg from 'pg'
import { DATABASE, openIn } from './under-test.ts'

const STEPS = 300
/** As users have it, unlike the tests. */
const DEFAULTS = { leaseMs: 5_000, pollMs: 200, lingerMs: 10_000 }

const server = await PostgresTestServer.open()
const url = await server.createDatabase()
process.env[DATABASE] = url
const folder = mkdtempSync(join(tmpdir(), 'selvage-dbos-figures-'))
try {
  console.log(`server, idle: ${serverMiB()} MiB`)
  for (const namesSteps of [true, false]) {
    const { engine, host } = await openIn(folder, { ...DEFAULTS, namesSteps })
    await engine.serve(host(enginePrograms(() => {})))
    await engine.start(`warm-${namesSteps}`, { program: 'count', input: 50 })
    await ended(engine, `warm-${namesSteps}`)
    const runId = `count-${namesSteps}`
    await engine.start(runId, { program: 'count', input: STEPS })
    await ended(engine, runId)
    const steps = (await engine.journal(runId, 0)).filter(({ type }) => type === 'step')
    const ms = ((steps.at(-1)?.at ?? 0) - (steps[0]?.at ?? 0)) / (steps.length - 1)
    const name = namesSteps ? 'steps named' : 'not named'
    console.log(`a step in sequence, ${name}: ${ms.toFixed(2)} ms, ${Math.round((await bytesOf(runId)) / STEPS)} bytes`)
    await engine.close()
  }
  const { engine, host } = await openIn(folder, DEFAULTS)
  await engine.start('killed', { program: 'count', input: 1_000 })
  const worker = spawn(process.execPath, [fileURLToPath(new URL('worker.ts', import.meta.url)), folder, 'defaults'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  while ((await engine.describe('killed')).steps < 20) await engine.changed('killed', await engine.describe('killed'))
  let resumedAt = 0
  await engine.serve(
    host(
      enginePrograms(() => {
        resumedAt ||= performance.now()
      }),
    ),
  )
  const exited = once(worker, 'exit')
  worker.kill('SIGKILL')
  const killedAt = performance.now()
  await exited
  await ended(engine, 'killed')
  console.log(`the next step after a kill -9, with another worker there: ${Math.round(resumedAt - killedAt)} ms`)
  console.log(`server, after it: ${serverMiB()} MiB; worker: ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`)
  await engine.close()
} finally {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
}

async function ended(engine: Engine, runId: string): Promise<void> {
  for (;;) {
    const { status, outcome } = await engine.describe(runId)
    if (outcome !== undefined) return
    await engine.changed(runId, { status })
  }
}

/** In DBOS's table of steps, and in ours; without indexes. */
async function bytesOf(runId: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows: schemas } = await client.query(`select table_schema as name from information_schema.tables
    where table_name = 'entry' and table_schema like 't%'`)
  const { rows } = await client.query(
    `select (select sum(pg_column_size(o.*)) from dbos.operation_outputs o where workflow_uuid like $1)
       + (select sum(pg_column_size(e.*)) from ${schemas[0].name}.entry e where run = $2) as bytes`,
    [`%:${runId}#%`, runId],
  )
  await client.end()
  return Number(rows[0].bytes)
}

/** All its processes; what they share is counted once. */
function serverMiB(): number {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isServers(Number(name)))
  return Math.round(processes.reduce((sum, pid) => sum + shareKiB(pid), 0) / 1024)
}

function isServers(pid: number): boolean {
  if (pid === server.pid) return true
  try {
    return Number(/\) \S+ (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]) === server.pid
  } catch {
    return false
  }
}

function shareKiB(pid: string): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
