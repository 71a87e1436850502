/**
 * Plays a run to its end over processes that are killed: rounds of processes, one after the other, and when all are over
 * a last process without a kill. Between two rounds, with every process dead, it is checked what must hold then.
 */
import { checkEnd, checkMoment, checkNotAgain, type Expected, expectedOf } from './invariants.ts'
import type { Hits, KillAt } from './kill-switch.ts'
import type { TaskProcess } from './process.ts'
import { type Given, type Sight, Site } from './site.ts'
import type { EngineUnderTest, PlaceOptions } from './under-test.ts'

/** How one process of a round ends: by itself at a moment, from outside when the journal has so many entries, or not. */
export type Death = KillAt | { readonly entries: number } | undefined

export interface Played {
  /** What does not hold. */
  readonly wrong: readonly string[]
  readonly deaths: number
  readonly last: Sight
}

/** What a run comes to, and how often each moment comes, when nobody is killed. */
export interface Baseline extends Expected {
  readonly hits: Hits
  readonly sight: Sight
}

/** After this a process is stuck. */
const PATIENCE_MS = 60_000

export async function playUndisturbed(
  under: EngineUnderTest,
  given: Given,
  options: PlaceOptions = {},
): Promise<Baseline> {
  const site = new Site(under, given, options)
  try {
    const process = site.spawn('drive')
    const { code } = await process.exited
    const sight = await site.look()
    const expected = expectedOf(given.scenario, sight)
    const wrong = [...checkMoment(given.scenario, sight), ...checkEnd(given.scenario, expected, sight)]
    if (code !== 0) wrong.push(`it ended with code ${code}`)
    if (wrong.length > 0) throw new Error(`without a kill: ${wrong.join('; ')}`)
    return { ...expected, sight, hits: process.last('hits') ?? {} }
  } finally {
    await site.close()
  }
}

export async function play(
  under: EngineUnderTest,
  given: Given,
  expected: Expected,
  rounds: readonly (readonly Death[])[],
  options: PlaceOptions = {},
): Promise<Played> {
  const site = new Site(under, given, options)
  const { scenario } = given
  const wrong: string[] = []
  let deaths = 0
  let before: Sight | undefined
  try {
    for (const round of [...rounds, [undefined]]) {
      const killed = await playRound(site, round, wrong)
      deaths += killed
      const sight = await site.look()
      wrong.push(...checkMoment(scenario, sight))
      if (before !== undefined) wrong.push(...checkNotAgain(before, sight.lines))
      before = sight
      if (killed < round.length) break
    }
    await site.finishDescendants()
    const last = await site.look()
    wrong.push(...checkMoment(scenario, last), ...checkEnd(scenario, expected, last))
    if (before !== undefined) wrong.push(...checkNotAgain(before, last.lines))
    return { wrong: [...new Set(wrong)], deaths, last }
  } finally {
    await site.close()
  }
}

/** Resolves with the number of processes that were killed: the others have seen the end of the run. */
async function playRound(site: Site, round: readonly Death[], wrong: string[]): Promise<number> {
  const watches: Promise<void>[] = []
  const processes = round.map((death) => {
    const kill = death !== undefined && 'moment' in death ? death : undefined
    const process = site.spawn('drive', kill === undefined ? {} : { kill })
    if (death !== undefined && 'entries' in death) watches.push(killWhen(site, process, death.entries))
    return process
  })
  const stuck = setTimeout(() => void giveUp(site, processes, wrong), PATIENCE_MS)
  const exits = await Promise.all(processes.map(({ exited }) => exited))
  await Promise.all(watches)
  clearTimeout(stuck)
  for (const { code, signal } of exits) {
    if (signal !== 'SIGKILL' && code !== 0) wrong.push(`a process ended with ${code ?? signal}`)
  }
  return exits.filter(({ signal }) => signal === 'SIGKILL').length
}

async function giveUp(site: Site, processes: readonly TaskProcess[], wrong: string[]): Promise<void> {
  const said = processes.map(({ pid, news }) => `process ${pid} said ${JSON.stringify(news)}`)
  const seen = await site.story().catch((error: unknown) => String(error))
  wrong.push(`stuck: ${said.join(', ')}; ${seen}`)
  for (const process of processes) process.kill()
}

async function killWhen(site: Site, process: TaskProcess, entries: number): Promise<void> {
  const gone = new AbortController()
  void process.exited.then(() => gone.abort())
  await site.with(async (engine) => {
    await engine.start(site.runId, site.given.scenario.start)
    while (!gone.signal.aborted) {
      const seen = await engine.describe(site.runId)
      if (seen.entries >= entries) return process.kill()
      await engine.changed(site.runId, { status: seen.status, entries: seen.entries }, gone.signal)
    }
  })
}
