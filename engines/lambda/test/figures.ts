/**
 * `node engines/lambda/test/figures.ts`: what a step costs in operations, bytes and calls, and our side's time, on the loopback
 * service: AWS's own time comes on top. For docs/engines.md. Builds nothing: `npx tsc -b` first.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '@selvage/core'
import { LambdaTestService } from '@selvage/testing/servers'
import { programs } from './programs.ts'
import { openOn } from './under-test.ts'

const STEPS = 300

const folder = mkdtempSync(join(tmpdir(), 'selvage-lambda-figures-'))
const service = await LambdaTestService.open()
Object.assign(process.env, service.env)
try {
  for (const namesSteps of [true, false]) {
    const { engine, host } = openOn(folder, { namesSteps })
    const { stop } = await engine.serve(host(programs(() => {})))
    await engine.start(`warm-${namesSteps}`, { program: 'count', input: { steps: 50 } })
    await ended(engine, `warm-${namesSteps}`)
    const runId = `count-${namesSteps}`
    await engine.start(runId, { program: 'count', input: { steps: STEPS } })
    await ended(engine, runId)
    const steps = (await engine.journal(runId, 0)).filter(({ type }) => type === 'step')
    const ms = ((steps.at(-1)?.at ?? 0) - (steps[0]?.at ?? 0)) / (steps.length - 1)
    const run = service.executions.at(-1)
    const bytes = JSON.stringify([...(run?.operations.values() ?? [])]).length
    const name = namesSteps ? 'steps named' : 'not named'
    const each = ((run?.operations.size ?? 0) / STEPS).toFixed(1)
    console.log(`a step, ${name}: ${ms.toFixed(1)} ms, ${each} operations, ${Math.round(bytes / STEPS)} bytes`)
    await stop()
    await engine.close()
  }
  console.log(`this process, service and function in one: ${residentMiB()} MiB`)
} finally {
  await service.close()
  rmSync(folder, { recursive: true, force: true })
}

const handler = new URL('function.ts', import.meta.url).href
const place = mkdtempSync(join(tmpdir(), 'selvage-lambda-figures-'))
const env = { SELVAGE_TEST_FOLDER: place }
const each = await LambdaTestService.open({ handler, env })
Object.assign(process.env, each.env)
try {
  const { engine } = openOn(place, { functionName: 'runs' })
  await engine.start('killed', { program: 'count', input: { steps: 400 } })
  while ((await engine.describe('killed')).steps < 20) await engine.changed('killed', await engine.describe('killed'))
  const before = each.executions[0]?.events.length ?? 0
  for (const pid of each.working) process.kill(pid, 'SIGKILL')
  const killedAt = performance.now()
  const later = (): boolean =>
    each.executions[0]?.events.slice(before + 4).some(({ EventType }) => EventType === 'StepSucceeded') ?? false
  while (!later()) await new Promise((resolve) => setTimeout(resolve, 2))
  console.log(`the next step after a kill -9, in a new process: ${Math.round(performance.now() - killedAt)} ms`)
  await engine.close()
} finally {
  await each.close()
  rmSync(place, { recursive: true, force: true })
}
process.exit()

async function ended(engine: Engine, runId: string): Promise<void> {
  for (;;) {
    const { status, outcome } = await engine.describe(runId)
    if (outcome !== undefined) return
    await engine.changed(runId, { status })
  }
}

function residentMiB(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}
