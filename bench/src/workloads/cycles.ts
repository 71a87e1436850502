/**
 * What an agent costs by the number of its cycles: the SDK's own loop, and a durable one, with and without the seam; the
 * SDK's own ways of keeping a run; what is stored, and which calls each way makes again when its process is killed.
 */
import { emptyDatabase } from '../cycles/empty-database.ts'
import { type Repeated, repeatedByKill } from '../cycles/repeated.ts'
import { CHECKPOINTING, type WayName } from '../cycles/ways.ts'
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
    const emptyBytes = await emptyDatabase()
    return async ({ until, patience, save }) => {
      let all: readonly Found[] = []
      for (const measuring of SIZES[mode]) {
        all = together([...all, ...(await measureWays(measuring, { until, patience }))])
        save(sectionOf(all, emptyBytes, kill))
      }
      return sectionOf(all, emptyBytes, kill)
    }
  },
}

/** All bars of 5,000 cycles, in five rounds, while there is time. */
export const longCycles: Workload = {
  name: 'long-cycles',
  async measure({ until, patience, save }) {
    const emptyBytes = await emptyDatabase()
    let all: readonly Found[] = []
    for (const measuring of SIZES.long) {
      all = together([...all, ...(await measureWays(measuring, { until, patience }))])
      save(sectionOf(all, emptyBytes))
    }
    return sectionOf(all, emptyBytes)
  },
}

function sectionOf(all: readonly Found[], emptyBytes: number, kill?: Repeated): Section {
  const there = all.filter(({ runs }) => runs.size > 0)
  return {
    title: 'An agent by its cycles',
    how:
      'One agent (the real one: Strands SDK, `selvage.agent`) with a model and a tool that answer at once, one tool call a ' +
      'cycle; each run in a process of its own, from the first line after the imports to the result. Durable runs are ' +
      'managed ones on the embedded engine with durability full, opening and closing included: two commits a cycle, each ' +
      'with its fsync. *The seam* is Selvage’s relief of loops in the SDK (agents/strands/src/turns/linear.ts; `linear: false` switches it ' +
      'off): in each cycle the SDK copies all messages, looks through the names of tools in them and writes them out for a tracer; ' +
      'with the seam that is done to the new ones. *Peak*: the process’s own high-water mark (VmHWM). *Written*: all that ' +
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
      `In every run the calls of model and tool were counted: one of each a cycle, and one more of the model.${asMore(all)}`,
      '*Tracking ids*: the SDK gives each message one, 52 B of its JSON. Selvage computes them from the journal and does not store ' +
        'them; what is promised goes by the JSON as the SDK writes it, and the last column by the same without them.',
      `A file that was only opened and closed has ${figure(emptyBytes / 1_024)} KiB, schema and indexes: of the file of 50 cycles ` +
        'with results of 200 B that is the most, and nothing is promised at 50 cycles.',
      ...(kill === undefined
        ? []
        : [
            'LangGraph is in none of these tables: they are about one Strands agent and the ways to run it, and a graph of LangGraph’s ' +
              'is another agent. Its steps, and how it goes on behind a kill, are in *A sequential step* and *Recovery*.',
          ]),
      'SessionManager (FileStorage, saveLatestOn: message) writes without fsync; so does checkpointing, which ' +
        'needs it, and whose checkpoints are kept in a file besides.',
      ...(kill === undefined ? [] : [kill.note]),
    ],
  }
}

/** Behind how often the model was asked: who asks more often. */
function asMore(all: readonly Found[]): string {
  const asked = all.flatMap(({ size, runs }) => {
    const [ran] = runs.get(CHECKPOINTING) ?? []
    return ran === undefined ? [] : `${figure(ran.modelCalls)} times in ${figure(size.cycles)} cycles`
  })
  if (asked.length === 0) return ''
  return ` But checkpointing: it is invoked anew behind each checkpoint, and asked the model ${[...new Set(asked)].join(', ')}.`
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
