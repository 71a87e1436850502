/**
 * `node engines/restate/test/figures.ts`: what a step costs on Restate, on this machine and as busy as it is. For
 * docs/engines.md. Builds nothing: `npx tsc -b` first.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Engine } from '@selvage/core'
import { enginePrograms } from '@selvage/testing'
import { RestateTestServer } from '@selvage/testing/servers'
import { openOn, URLS } from './under-test.ts'

const STEPS = 300

const server = await RestateTestServer.open()
process.env[URLS] = JSON.stringify({ ingress: server.ingress, admin: server.admin })
const folder = mkdtempSync(join(tmpdir(), 'selvage-restate-figures-'))
try {
  console.log(`server, idle: ${residentMiB(server.pid)} MiB`)
  for (const namesSteps of [true, false]) {
    const { engine, host } = await openOn(server, folder, { namesSteps })
    await engine.serve(host(enginePrograms(() => {})))
    await engine.start(`warm-${namesSteps}`, { program: 'count', input: 50 })
    await ended(engine, `warm-${namesSteps}`)
    const runId = `count-${namesSteps}`
    await engine.start(runId, { program: 'count', input: STEPS })
    await ended(engine, runId)
    const steps = (await engine.journal(runId, 0)).filter(({ type }) => type === 'step')
    const ms = ((steps.at(-1)?.at ?? 0) - (steps[0]?.at ?? 0)) / (steps.length - 1)
    const bytes = await bytesOf(runId)
    const name = namesSteps ? 'steps named' : 'not named'
    console.log(`a step in sequence, ${name}: ${ms.toFixed(2)} ms, ${Math.round(bytes / STEPS)} bytes`)
    await engine.close()
  }
  const { engine, host } = await openOn(server, folder)
  await engine.start('killed', { program: 'count', input: 2_000 })
  const worker = spawn(process.execPath, [fileURLToPath(new URL('worker.ts', import.meta.url)), folder], {
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
  console.log(`server, after it: ${residentMiB(server.pid)} MiB; worker: ${residentMiB(process.pid)} MiB`)
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

/** In Restate's journal and in the state, before compression. */
async function bytesOf(runId: string): Promise<number> {
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
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}
