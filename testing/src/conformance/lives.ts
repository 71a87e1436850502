/**
 * One run over several lives, judged by the bank: each life is a process, all but the last are killed, and between two of
 * them nobody is alive.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Json, Outcome } from '@selvage/core'
import type { BankProcess } from '../bank/bank-process.ts'
import { acted, type BankLine, type Deed } from '../bank/ledger.ts'
import type { Hits, KillAt } from '../crash/kill-switch.ts'
import type { Exit, TaskProcess } from '../crash/process.ts'
import { type Given, type SeenRun, type Sight, Site } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'

/** How a life ends: by itself at a moment, or from outside when the bank has acted, which never answers then. */
export type End = KillAt | { readonly deed: Deed; readonly order: string }

export interface Life {
  readonly exit: Exit
  /** What its programs told of themselves. */
  readonly told: readonly Json[]
  readonly hits: Hits
  /** What was durable when it was over, and what the bank had decided by then. */
  readonly sight: Sight
  readonly lines: readonly BankLine[]
}

export interface Lived {
  readonly lives: readonly Life[]
  readonly outcome: Outcome | undefined
  /** What does not hold of any run. */
  readonly wrong: readonly string[]
  /** Lives that should have been killed and were not: the moment did not come. */
  readonly unkilled: readonly string[]
}

/** After this a process is stuck. */
const PATIENCE_MS = 60_000

/** `runId` is how everything begins that the bank is asked for. */
export async function live(
  under: EngineUnderTest,
  given: Given,
  bank: BankProcess,
  runId: string,
  ends: readonly End[],
): Promise<Lived> {
  const site = new Site(under, given, { runId, bank: bank.url })
  const lives: Life[] = []
  const wrong: string[] = []
  const unkilled: string[] = []
  const about = (what: string): string => `${runId}, ${JSON.stringify(ends)}: ${what}`
  try {
    for (const end of [...ends, undefined]) {
      const process = await spawnUntil(site, bank, end)
      const exit = await patiently(process)
      const number = lives.length + 1
      if (end !== undefined && exit.signal !== 'SIGKILL') unkilled.push(about(`life ${number} was not killed`))
      if ((end === undefined || exit.signal !== 'SIGKILL') && exit.code !== 0)
        wrong.push(about(`life ${number} ended with ${exit.code ?? exit.signal}`))
      const told = process.news.flatMap((news) => (news.told === undefined ? [] : [news.told]))
      const lines = bank.lines().filter(({ order }) => `${order}/`.startsWith(`${runId}/`))
      lives.push({ exit, told, lines, hits: process.last('hits') ?? {}, sight: await site.look() })
    }
    await site.finishDescendants()
    const outcome = lives.at(-1)?.sight.runs[0]?.outcome
    return { lives, outcome, wrong, unkilled }
  } finally {
    await site.close()
  }
}

/** A process that drives the run until it is killed as `end` says. `main`: as for `Site.spawn`. */
export async function spawnUntil(
  site: Site,
  bank: BankProcess,
  end: End | undefined,
  main?: string,
): Promise<TaskProcess> {
  const own = main === undefined ? {} : { main }
  if (end === undefined) return site.spawn('drive', own)
  if ('moment' in end) return site.spawn('drive', { kill: end, ...own })
  const { deed, order } = end
  await bank.expect({ deed, order, how: 'hold' })
  const done = bank.next((line) => line.deed === deed && line.order === order)
  const process = site.spawn('drive', own)
  await Promise.race([done, process.exited])
  process.kill()
  return process
}

/** Resolves with the end of a process, which is killed if it is stuck. */
export async function patiently(process: TaskProcess): Promise<Exit> {
  const over = new AbortController()
  const stuck = sleep(PATIENCE_MS, undefined, { signal: over.signal }).then(
    () => process.kill(),
    () => {},
  )
  const exit = await process.exited
  over.abort()
  await stuck
  return exit
}

/** PC, CV: of each run, what was in the journal after a life is how it begins after the next one. */
export function prefixes({ lives }: Lived): string[] {
  return lives.slice(1).flatMap(({ sight }, index) =>
    (lives[index]?.sight.runs ?? []).flatMap(({ runId, entries }) => {
      const later = sight.runs.find((run) => run.runId === runId)?.entries ?? []
      if (isDeepStrictEqual(later.slice(0, entries.length), entries)) return []
      return [`after life ${index + 2} the journal of ${runId} does not begin as it stood after life ${index + 1}`]
    }),
  )
}

/** I1: what was recorded after a life is not asked for again in a later one. */
export function askedAgain({ lives }: Lived): string[] {
  return lives.slice(1).flatMap(({ lines }, index) => {
    const before = lives[index]
    const recorded = new Set(before?.sight.runs.flatMap(recordedSteps))
    const known = new Set(
      before?.lines.filter(({ deed, order }) => recorded.has(stepOf(deed, order))).map(({ key }) => key),
    )
    return lines
      .slice(before?.lines.length)
      .filter(({ key }) => known.has(key))
      .map(({ deed, order }) => `${deed} for ${order} was recorded, and asked for again in life ${index + 2}`)
  })
}

/** What two lives saw of one run begins the same, however far each of them came. */
export function contradictions({ lives }: Lived): string[] {
  const seen = lives.map(({ told }) => Map.groupBy(told as readonly (readonly string[])[], ([runId]) => runId ?? ''))
  return seen.flatMap((later, index) =>
    seen.slice(0, index).flatMap((earlier, before) =>
      [...later].flatMap(([runId, told]) => {
        const other = earlier.get(runId) ?? []
        const at = told.findIndex((each, n) => n < other.length && !isDeepStrictEqual(each, other[n]))
        if (at < 0) return []
        return [`life ${index + 1} of ${runId} saw ${told[at]} where life ${before + 1} saw ${other[at]}`]
      }),
    ),
  )
}

/** What the bank did more than once or not at all. `deeds`: what should have been done, each once. */
export function misdeeds(lines: readonly BankLine[], deeds: readonly (readonly [Deed, string])[]): string[] {
  const done = acted(lines)
  const counted = deeds.map(
    ([deed, order]) => [deed, order, done.filter((line) => line.deed === deed && line.order === order).length] as const,
  )
  const wrong = counted.filter(([, , times]) => times !== 1)
  const known = counted.reduce((sum, [, , times]) => sum + times, 0)
  return [
    ...wrong.map(([deed, order, times]) => `the bank did ${deed} for ${order} ${times} times`),
    ...(known === done.length ? [] : [`the bank did ${done.length - known} things that nobody should have asked for`]),
  ]
}

function recordedSteps({ entries }: SeenRun): readonly string[] {
  return entries.flatMap((entry) => (entry.type === 'step' && 'ok' in entry.outcome ? [entry.key] : []))
}

/** How a scenario calls the step that asks for it: `charge goods`. */
function stepOf(deed: Deed, order: string): string {
  return `${deed} ${order.slice(order.lastIndexOf('/') + 1)}`
}
