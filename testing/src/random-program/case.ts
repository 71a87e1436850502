/** One case of the property tests: a random program, an engine that is hostile to it, and what must hold nevertheless. */
import { createHost, type Entry, type Host, type Program, type Runtime } from '@selvage/core'
import { memoryBlobs } from '../memory-blobs.ts'
import { type Random, seededRandom } from '../random.ts'
import { type TickingClock, tickingClock } from '../ticking-clock.ts'
import { type Hostility, turns } from '../turn-engine/hostility.ts'
import { type TurnEngine, turnEngine } from '../turn-engine/turn-engine.ts'
import { planProgram } from './interpret.ts'
import { nameOf, Outside } from './outside.ts'
import { Performance } from './performance.ts'
import type { Plan } from './plan.ts'
import type { Stage } from './stage.ts'
import { Verdict } from './verdict.ts'

export interface Case {
  readonly plan: Plan
  /** Default `replay`. */
  readonly resume?: Program['resume']
  readonly journal: 'engine' | 'store'
  readonly affinity: boolean
  readonly countsDeliveries: boolean
  readonly hostility: Hostility
  readonly seed: number
  /** Processes that lost a run finish what they have begun. */
  readonly zombies: boolean
  /** Sent after so many turns; the id is that of the place in the list, or of an earlier one. */
  readonly signals: readonly { readonly after: number; readonly name: string; readonly again?: boolean }[]
  readonly cancelAfter?: number
}

export type MakeRuntime = (clock: TickingClock, random: Random) => Runtime

const PROCESSES = ['0', '1']
const GRACE_MS = 80
/** So small that results of runs go to blobs. */
const OFFLOAD_BYTES = 64

/** Plays a case on the turn engine and returns what did not hold. `trace` is told what happens. */
export async function runCase(
  each: Case,
  makeRuntime: MakeRuntime,
  trace: (what: string) => void = () => {},
): Promise<readonly string[]> {
  const clock = tickingClock()
  const random = seededRandom(each.seed)
  const runtime = makeRuntime(clock, random.fork())
  const engine = turnEngine({ ...each, clock, random: random.fork(), trace })
  const hosts = new Map<string, Host>()
  const ledger = {
    entries: (runId: string) => engine.entries(runId),
    acknowledged: (runId: string, process: string) => {
      const host = hosts.get(process)
      return host === undefined ? 0 : engine.granted(host, runId)
    },
  }
  const outside = new Outside(ledger, random.fork(), each.zombies, trace)
  const stage = stageOn(engine, runtime)
  for (const process of PROCESSES) {
    const host = createHost({
      runtime: { ...runtime, identity: process },
      manifest: engine.manifest,
      programs: () => [planProgram(outside, process, each.resume)],
      outbound: engine,
      blobs: stage.blobs,
      offloadBytes: stage.offloadBytes,
      cancelGraceMs: GRACE_MS,
    })
    hosts.set(process, host)
    await engine.serve(host)
  }
  try {
    return await judge(each, stage, outside, random)
  } finally {
    clock.stop()
  }
}

/** Plays a case on any stage. */
export async function judge(each: Case, stage: Stage, outside: Outside, random: Random): Promise<readonly string[]> {
  const verdict = new Verdict(each, stage, outside, random.fork())
  let runIds: readonly string[] = []
  try {
    runIds = await new Performance(each, stage, outside).play()
  } catch (error) {
    verdict.wrong.push(String(error))
  }
  await stage.close()
  verdict.wrong.push(...stage.violations, ...outside.violations)
  for (const runId of runIds) await verdict.checkRun(runId)
  if (verdict.wrong.length === 0) return []
  const stories = new Set(['r', ...runIds])
  return [...verdict.wrong, ...Array.from(stories, (runId) => `${runId}: ${story(stage.entries(runId))}`)]
}

function stageOn(engine: TurnEngine, runtime: Runtime): Stage {
  return {
    engine,
    manifest: engine.manifest,
    runtime,
    blobs: memoryBlobs(),
    offloadBytes: OFFLOAD_BYTES,
    violations: engine.violations,
    ended: (runId) => engine.ended(runId),
    entries: (runId) => engine.entries(runId),
    harmed: (runId) => engine.harmed(runId),
    cancelGraceMs: GRACE_MS,
    pass: turns,
    close: async () => {
      await engine.close()
      await engine.quiet()
    },
  }
}

/** A journal in a line. */
function story(entries: readonly Entry[]): string {
  return entries.map((entry) => `${nameOf(entry)}${'attempt' in entry ? `@${entry.attempt}` : ''}`).join(', ')
}
