/**
 * What an agent costs by the number of its cycles: the SDK's own loop, and a durable one, with and without the seam; the
 * SDK's own ways of keeping a run; what is stored, and which calls each way makes again when its process is killed.
 */
import { type Repeated, repeatedByKill } from '../cycles/repeated.ts'
import type { WayName } from '../cycles/ways.ts'
import { decisions } from '../decision.ts'
import { figure, type Section, type Verdict } from '../report.ts'
import type { Workload } from '../workload.ts'
import { ALL_WAYS, KILLED_QUICKLY, SIZES } from './cycle-sizes.ts'
import { cyclesPlot, cyclesTable, labelOf, shareOfPlain, storedTable, storedVerdicts, timeOf } from './cycle-tables.ts'
import { type Found, measureWays } from './measure-ways.ts'

const PROMISED = { share: 0.05, cycles: 5_000, resultBytes: 200 }
const RESULT_BYTES = 200
/** Ways, and how often each. */
const KILLED = {
  quick: { ways: KILLED_QUICKLY, rounds: 1 },
  whole: { ways: ALL_WAYS, rounds: 2 },
}

export const cycles: Workload = {
  name: 'cycles',
  async prepare({ quick }) {
    const mode = quick ? 'quick' : 'whole'
    // What is killed is counted, not timed.
    const kill = await repeatedByKill(KILLED[mode].ways, RESULT_BYTES, KILLED[mode].rounds)
    return async ({ until, patience, save }) => {
      let all: readonly Found[] = []
      for (const measuring of SIZES[mode]) {
        all = together([...all, ...(await measureWays(measuring, { until, patience }))])
        save(sectionOf(all, kill))
      }
      return sectionOf(all, kill)
    }
  },
}

/** All bars of 5,000 cycles, in five rounds, while there is time. */
export const longCycles: Workload = {
  name: 'long-cycles',
  async measure({ until, patience, save }) {
    let all: readonly Found[] = []
    for (const measuring of SIZES.long) {
      all = together([...all, ...(await measureWays(measuring, { until, patience }))])
      save(sectionOf(all))
    }
    return sectionOf(all)
  },
}

function sectionOf(all: readonly Found[], kill?: Repeated): Section {
  const there = all.filter(({ runs }) => runs.size > 0)
  return {
    title: 'An agent by its cycles',
    how:
      'One agent (the real one: Strands SDK, `selvage.agent`) with a model and a tool that answer at once, one tool call a ' +
      'cycle; each run in a process of its own, from the first line after the imports to the result. Durable runs are ' +
      'managed ones on the embedded engine with durability full, opening and closing included: two commits a cycle, each ' +
      'with its fsync. The seam is what `linear` switches off (agents/strands/src/linear.ts): two things that the SDK’s ' +
      'loop does to all messages in each cycle. *Peak*: the process’s own high-water mark (VmHWM). *Written*: all that ' +
      'the process gave to `write`. Then what is stored: the database file of *durable, with the seam*, closed, with ' +
      'everything in it (schema, indexes, the run), beside the sum of `JSON.stringify(message.toJSON())` over all ' +
      'messages of the conversation.',
    tables: [...there.map(cyclesTable), storedTable(there), ...(kill === undefined ? [] : [kill.table])],
    verdicts: [...besidePlain(all), ...storedVerdicts(there), ...(kill === undefined ? [] : [kill.verdict])],
    plots:
      kill === undefined
        ? there.map((found) => cyclesPlot(found, 'long-'))
        : there.filter(({ size }) => size.resultBytes === PROMISED.resultBytes).map((found) => cyclesPlot(found)),
    notes: [
      ...all.flatMap(({ size, notes }) => notes.map((note) => `${labelOf(size)}: ${note}.`)),
      'In every run the calls of model and tool were counted: one of each a cycle, and one more of the model.',
      'SessionManager (FileStorage, saveLatestOn: message) writes without fsync; so does checkpointing, which ' +
        'needs it, and whose checkpoints are kept in a file besides.',
      ...(kill === undefined ? [] : [kill.note]),
    ],
  }
}

/** What was found at one size in several goes is one table. */
function together(all: readonly Found[]): readonly Found[] {
  const bySize = new Map<string, Found>()
  for (const found of all) {
    const label = labelOf(found.size)
    const before = bySize.get(label)
    const runs = new Map(before?.runs)
    for (const [way, own] of found.runs) runs.set(way, [...(runs.get(way) ?? []), ...own])
    bySize.set(label, { size: found.size, runs, notes: [...new Set([...(before?.notes ?? []), ...found.notes])] })
  }
  const sizes = [...bySize.values()]
  return sizes.sort((a, b) => a.size.resultBytes - b.size.resultBytes || a.size.cycles - b.size.cycles)
}

function besidePlain(all: readonly Found[]): readonly Verdict[] {
  const found = all.find(({ size }) => size.cycles === PROMISED.cycles && size.resultBytes === PROMISED.resultBytes)
  if (found === undefined) return []
  const share = shareOfPlain(found.runs)
  return [
    {
      what: `a durable agent of ${figure(PROMISED.cycles)} cycles beside the plain SDK`,
      promised: `≤ ${PROMISED.share} × its time`,
      measured: Number.isNaN(share) ? 'not measured' : share.toFixed(4),
      kept: share <= PROMISED.share,
      why: Number.isNaN(share) ? 'no time was left for one of the two' : whyOver(found.runs),
    },
  ]
}

function whyOver(runs: Found['runs']): string {
  const cycle = (way: WayName): string => figure((timeOf(runs, way) / PROMISED.cycles) * 1_000)
  return (
    `a cycle takes ${cycle('plain')} µs in the plain SDK, which is quadratic, and ${cycle('durable, with the seam')} in the durable ` +
    `agent: two commits, each with its fsync, and the SDK’s own loop, which takes ${cycle('plain, with the seam')} with the seam. ` +
    decisions('The profiles', '0012-what-a-step-costs', '0049-old-messages-are-looked-at-once-taken')
  )
}
