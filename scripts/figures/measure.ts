// The figures of one engine, on this machine and as busy as it is: measure.ts <module>. Prints them as one line of JSON.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ended, enginePrograms, until } from '../../testing/src/index.ts'
import type { Figures, Measured, Place } from './measured.ts'

const WARM_STEPS = 50
/** So that a worker is killed within a step, and not behind the last one. */
const SLOW_STEP_MS = 20

const module = process.argv[2] ?? ''
const measured = (await import(module)) as Measured
const { title, note, steps = 300, namesSteps = false } = measured
const place = await measured.begin()
const folder = mkdtempSync(join(tmpdir(), 'selvage-figures-'))
try {
  const idle = serverMiB(place)
  const named = await inSequence(true)
  const unnamed = namesSteps ? await inSequence(false) : undefined
  const resumeMs = await resumed()
  const figures: Figures = {
    title,
    ...(note !== undefined && { note }),
    stepMs: named.stepMs,
    stepBytes: named.stepBytes,
    ...(unnamed !== undefined && { unnamed: { stepMs: unnamed.stepMs, stepBytes: unnamed.stepBytes } }),
    resumeMs,
    workerMiB: named.workerMiB,
    ...(idle !== undefined && { serverMiB: [idle, serverMiB(place) ?? idle] }),
  }
  console.log(JSON.stringify(figures))
} finally {
  await place.close()
  rmSync(folder, { recursive: true, force: true })
}
process.exit()

async function worker(names: boolean, stepMs: number): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('worker.ts', import.meta.url))
  const args = [file, module, folder, String(names), String(stepMs)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** By the times that the journal gives its steps. */
async function inSequence(names: boolean): Promise<{ stepMs: number; stepBytes: number; workerMiB: number }> {
  const child = await worker(names, 0)
  const { engine } = await measured.open(folder, { namesSteps: names })
  await engine.start(`warm-${names}`, { program: 'count', input: WARM_STEPS })
  await ended(engine, `warm-${names}`)
  const runId = `count-${names}`
  await engine.start(runId, { program: 'count', input: steps })
  await ended(engine, runId)
  const entries = await engine.journal(runId, 0, steps * 2)
  const made = entries.filter(({ type }) => type === 'step')
  const stepMs = ((made.at(-1)?.at ?? 0) - (made[0]?.at ?? 0)) / (made.length - 1)
  const workerMiB = Math.round(kiBOf(child.pid ?? 0, 'status', /VmRSS:\s+(\d+)/) / 1024)
  await engine.close()
  await end(child)
  return { stepMs, stepBytes: Math.round((await place.bytesOf(runId, folder)) / steps), workerMiB }
}

/** From the kill of a worker to the next step, in another one that was there. */
async function resumed(): Promise<number> {
  const child = await worker(true, SLOW_STEP_MS)
  const { engine, host } = await measured.open(folder, { namesSteps: true })
  await engine.start('killed', { program: 'count', input: 100_000 })
  await until(engine, 'killed', (run) => run.steps >= 10)
  const next = Promise.withResolvers<void>()
  await engine.serve(host(enginePrograms(() => next.resolve())))
  const killedAt = performance.now()
  await end(child)
  await next.promise
  const resumeMs = Math.round(performance.now() - killedAt)
  await engine.cancel('killed', 'it was measured')
  await ended(engine, 'killed')
  await engine.close()
  return resumeMs
}

/** Of all its processes; what they share is counted once. */
function serverMiB({ pid }: Place): number | undefined {
  const server = pid?.()
  if (server === undefined) return undefined
  const all = readdirSync('/proc')
    .map(Number)
    .filter((each) => each === server || parentOf(each) === server)
  return Math.round(all.reduce((sum, each) => sum + kiBOf(each, 'smaps_rollup', /^Pss:\s+(\d+)/m), 0) / 1024)
}

function parentOf(pid: number): number {
  return kiBOf(pid, 'stat', /\) \S+ (\d+)/)
}

function kiBOf(pid: number, file: string, what: RegExp): number {
  try {
    return Number(what.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
