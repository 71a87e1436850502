/** An agent, killed in the tool of its last cycle: ours, in its parts, and as others keep it. */
import type { AgentRecovery, KeptRecovery } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, ofRounds, type Section, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, spread } from '../statistics.ts'
import type { Options } from '../workload.ts'
import { KEPT } from './kept-agents.ts'

const CYCLES = { quick: [50, 500], whole: [50, 500, 5_000] }
const ROUNDS = { quick: 2, whole: 5 }
const PROMISED_MS = 200
const OURS = 'Selvage, embedded engine'
const WHY =
  'at 5,000 cycles most of it is what the columns *load*, *replay* and *fold* of **Agents** show: thousands of messages are read, ' +
  'made into the SDK’s own objects, and shown to its loop'

/** One way at one size. */
interface Taken {
  readonly title: string
  readonly cycles: number
  take(): Promise<AgentRecovery | KeptRecovery>
}

export async function recoverAgents(options: Options): Promise<Pick<Section, 'tables' | 'verdicts' | 'notes'>> {
  const { quick, until, takesPart } = options
  const { agentRecovery } = contender('selvage')
  if (agentRecovery === undefined) throw new Error('no recovery to measure')
  const mode = quick ? 'quick' : 'whole'
  const absent = new Map<string, string>()
  const all: Taken[] = []
  const ways = [
    { title: OURS, ...agentRecovery },
    ...KEPT.filter(({ title }) => takesPart('langgraph') || !title.startsWith('LangGraph')),
  ]
  for (const cycles of CYCLES[mode]) {
    for (const { title, prepare, take } of ways) {
      if (quick && title !== OURS && cycles !== CYCLES.quick.at(-1)) continue
      const folder = scratchFolder()
      try {
        if (title !== OURS && performance.now() > until) throw new Error('no time was left for it')
        await prepare(folder, cycles)
        all.push({ title, cycles, take: () => take(folder, cycles) })
      } catch (error) {
        if (title === OURS) throw error
        absent.set(title, `${cycles} cycles: ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  const blocks = all.map(({ title, cycles, take }) => async () => {
    try {
      return await take()
    } catch (error) {
      if (title === OURS) throw error
      absent.set(title, `${cycles} cycles: ${error instanceof Error ? error.message : error}`)
      return undefined
    }
  })
  const results = await interleave(blocks, { warmUp: quick ? 0 : 1, rounds: ROUNDS[mode], until })
  const taken = all.map((way, index) => ({
    ...way,
    rounds: (results[index] ?? []).filter((each) => each !== undefined),
  }))
  const ours = taken
    .filter(({ title }) => title === OURS)
    .map(({ cycles, rounds }) => ({ cycles, rounds: rounds as AgentRecovery[] }))
  const done = ours[0]?.rounds.length ?? 0
  return {
    tables: [ourParts(ours, done), besideOthers(taken, done)],
    verdicts: [verdictOn(ours.at(-1)?.cycles ?? 0, ours.at(-1)?.rounds ?? [])],
    notes: [
      'Agents: all of the SDK that our packages take is imported first, and *our import* is what they add to it.',
      'SessionManager and checkpointing (FileStorage, without fsync) and LangGraph (SQLite, synchronous=full): what a kill ' +
        'in the tool leaves behind was saved once, in that tool, as saving all messages at each of thousands of cycles takes ' +
        'gigabytes. OpenWorkflow, DBOS, Restate and Vercel Workflow have no agent of their own in these packages.',
      ...[...absent].map(([title, reason]) => `**${title}** is missing here: ${reason}.`),
      ...fewer(done, `agents, ${quick ? 'quick' : 'the time of this section was over'}`),
    ],
  }
}

function ourParts(ours: readonly { cycles: number; rounds: readonly AgentRecovery[] }[], done: number): Table {
  const rows = ours.map(({ cycles, rounds }) => {
    const part = (of: (recovery: AgentRecovery) => number): string => figure(median(rounds.map(of)))
    return [
      `${figure(cycles)} cycles`,
      part((r) => r.nodeStarted),
      part((r) => r.sdkImported - r.nodeStarted),
      part((r) => r.imported - r.sdkImported),
      part((r) => r.opened - r.imported),
      part((r) => r.claimed - r.opened),
      part((r) => r.loaded - r.claimed),
      part((r) => r.made - r.loaded),
      part((r) => r.nextStep - r.made),
      withQuartiles(spread(rounds.map((r) => r.nextStep - r.imported))),
      figure(rounds.reduce((sum, { repeated }) => sum + repeated, 0)),
    ]
  })
  return {
    caption: `**Agents** (${ofRounds(done)})`,
    head: [
      ...['', 'Node start', 'SDK import', 'our import', 'open', 'claim', 'load', 'replay', 'fold'],
      ...['from import to next call', 'calls repeated'],
    ],
    rows,
  }
}

function besideOthers(
  taken: readonly { title: string; cycles: number; rounds: readonly (AgentRecovery | KeptRecovery)[] }[],
  done: number,
): Table {
  const rows = taken
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ title, cycles, rounds }) => [
      `${title}, ${figure(cycles)} cycles`,
      figure(median(rounds.map((r) => r.imported - r.nodeStarted))),
      withQuartiles(spread(rounds.map((r) => r.nextStep - r.imported))),
      firstCall(rounds),
      figure(Math.max(...rounds.map(({ repeated }) => repeated))),
    ])
  return {
    caption: `**Agents, beside what else keeps one** (${ofRounds(done)}, the same ones)`,
    head: ['', 'import', 'from import to first call', 'what is called first', 'calls repeated'],
    rows,
  }
}

function firstCall(rounds: readonly (AgentRecovery | KeptRecovery)[]): string {
  return rounds.every(({ repeated }) => repeated === 0) ? 'the tool that was in flight' : 'the model, again'
}

function verdictOn(cycles: number, rounds: readonly AgentRecovery[]): Verdict {
  const total = spread(rounds.map((r) => r.nextStep - r.imported))
  return {
    what: `next call of an agent of ${figure(cycles)} cycles after kill -9`,
    promised: `≤ ${PROMISED_MS} ms after import`,
    measured: `${withQuartiles(total)} ms`,
    kept: total.median <= PROMISED_MS && rounds.every(({ repeated }) => repeated === 0),
    why: WHY,
  }
}
