/**
 * A session in a process of its own, asked over Node's channel to its parent: a line of JSON for each request and each
 * answer. Programs of bench/peers run this file as it is, without a build: it imports nothing that needs one.
 */
import type { StepSession } from './contender.ts'
import { Lateness } from './lateness.ts'

export type Request =
  | { readonly what: 'inOneRun'; readonly steps: number }
  | { readonly what: 'atOnce'; readonly runs: number; readonly steps: number; readonly goes?: number | undefined }
  | { readonly what: 'idle'; readonly ms: number }
  | { readonly what: 'count' }
  | { readonly what: 'close' }

export interface Answer {
  readonly ms: number
  /** Of `inOneRun`, and of `atOnce` where the contender tells: how long each step took. */
  readonly stepMs: readonly number[]
  /** User and system time of the process, milliseconds. */
  readonly cpuMs: number
  /** Resident memory of the process at the end of the request. */
  readonly residentMiB: number
  /** Of a 2 ms timer beside the work; only `atOnce` and `idle` have one. */
  readonly worstLatenessMs: number
  /** Of `count`: steps that are recorded; undefined where the contender cannot count from inside. */
  readonly counted?: number | undefined
}

export function serveSteps(session: StepSession): void {
  process.on('message', (request: Request) => {
    answer(session, request).then(
      (value) => process.send?.(value, () => request.what === 'close' && process.exit()),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.once('disconnect', () => process.exit())
  process.send?.('open')
}

const MIB = 2 ** 20

async function answer(session: StepSession, request: Request): Promise<Answer> {
  const watched = request.what === 'atOnce' || request.what === 'idle'
  const lateness = watched ? new Lateness() : undefined
  const cpu = process.cpuUsage()
  lateness?.begin()
  const done = await perform(session, request)
  const worstLatenessMs = lateness?.end() ?? 0
  const { user, system } = process.cpuUsage(cpu)
  return {
    stepMs: [],
    ...done,
    cpuMs: (user + system) / 1_000,
    residentMiB: process.memoryUsage.rss() / MIB,
    worstLatenessMs,
  }
}

interface AtOnce {
  readonly ms: number
  readonly stepMs: readonly number[]
}

async function atOnce(
  session: StepSession,
  { runs, steps }: { readonly runs: number; readonly steps: number },
): Promise<AtOnce> {
  if (session.atOnce === undefined) throw new Error('this contender has no runs at once')
  return session.atOnce(runs, steps)
}

/** One go after another, from the first start to the end of the last run. */
async function inGoes(session: StepSession, goes: number, each: Parameters<typeof atOnce>[1]): Promise<AtOnce> {
  const stepMs: number[] = []
  const began = performance.now()
  for (let go = 0; go < goes; go++) {
    for (const ms of (await atOnce(session, each)).stepMs) stepMs.push(ms)
  }
  return { ms: performance.now() - began, stepMs }
}

async function perform(
  session: StepSession,
  request: Request,
): Promise<{ ms: number; stepMs?: readonly number[]; counted?: number | undefined }> {
  switch (request.what) {
    case 'inOneRun': {
      const stepMs = await session.inOneRun(request.steps)
      return { ms: stepMs.reduce((sum, each) => sum + each, 0), stepMs }
    }
    case 'atOnce':
      return request.goes === undefined ? atOnce(session, request) : inGoes(session, request.goes, request)
    case 'idle':
      await new Promise((resolve) => setTimeout(resolve, request.ms))
      return { ms: request.ms }
    case 'count':
      return { ms: 0, counted: await session.count?.() }
    case 'close':
      await session.close()
      return { ms: 0 }
  }
}
