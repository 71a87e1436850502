/**
 * What an agent costs by the number of its cycles: the SDK's own loop, and a durable one, with and without the seam;
 * and which calls each way makes again when its process is killed.
 */
import { forkChild } from '../children.ts'
import type { Cycles } from '../cycles/cycle-process.ts'
import { repeatedByKill } from '../cycles/repeated.ts'
import { WAYS, type WayName } from '../cycles/ways.ts'
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, ratios, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const PROMISED = 0.05
const RESULT_BYTES = 200
const BARS: readonly WayName[] = [
  'plain',
  'plain, with the seam',
  'durable, without the seam',
  'durable, with the seam',
]
const ALL = Object.keys(WAYS) as WayName[]

/** The quadratic ones take minutes at 5,000 cycles: one round, and the SDK's own ways of keeping a run are left out. */
const WHOLE: readonly Size[] = [
  { cycles: 50, rounds: 5, ways: ALL },
  { cycles: 500, rounds: 5, ways: ALL },
  { cycles: 5_000, rounds: 1, ways: BARS },
]
const QUICK: readonly Size[] = [
  { cycles: 50, rounds: 1, ways: ALL },
  { cycles: 500, rounds: 1, ways: ALL },
]

const KILL_ROUNDS = { whole: 3, quick: 1 }

interface Size {
  readonly cycles: number
  readonly rounds: number
  readonly ways: readonly WayName[]
}

export const cycles: Workload = {
  name: 'cycles',
  async measure({ quick }) {
    const tables: Table[] = []
    const verdicts: Verdict[] = []
    for (const size of quick ? QUICK : WHOLE) {
      const { table, share } = await compare(size)
      tables.push(table)
      if (size.cycles < 5_000) continue
      verdicts.push({
        what: `a durable agent of ${figure(size.cycles)} cycles beside the plain SDK`,
        promised: `≤ ${PROMISED} × its time`,
        measured: share.toFixed(4),
        kept: share <= PROMISED,
      })
    }
    const kill = await repeatedByKill(RESULT_BYTES, quick ? KILL_ROUNDS.quick : KILL_ROUNDS.whole)
    tables.push(kill.table)
    verdicts.push(kill.verdict)
    return {
      title: 'An agent by its cycles',
      how:
        'One agent with a model and a tool that answer at once, one tool call a cycle, results of ' +
        `${RESULT_BYTES} B; each run in a process of its own, from the first line after the imports to the result. ` +
        'Durable runs are managed ones on the embedded engine with durability full, opening and closing included: ' +
        'two commits a cycle, each with its fsync. The seam is what `linear` switches off ' +
        '(agents/strands/src/linear.ts): two things that the SDK’s loop does to all messages in each cycle.',
      tables,
      verdicts,
      notes: [
        'In every run the calls of model and tool were counted: one of each a cycle, and one more of the model.',
        'SessionManager (FileStorage, saveLatestOn: message) writes without fsync; so does checkpointing, which ' +
          'needs it, and whose checkpoints are kept in a file besides.',
        kill.note,
      ],
    }
  },
}

async function compare({ cycles, rounds, ways }: Size): Promise<{ table: Table; share: number }> {
  const blocks = ways.map((way) => () => runOnce(way, cycles))
  const answers = await interleave(blocks, { warmUp: rounds > 1 ? 1 : 0, rounds })
  const times = answers.map((block) => block.map(({ ms }) => ms))
  const [plain = []] = times
  const rows = ways.map((way, index) => {
    const block = answers[index] ?? []
    const own = times[index] ?? []
    const written = block.flatMap((each) => (each.written === undefined ? [] : [each.written]))
    return [
      way,
      withQuartiles(spread(own)),
      index === 0 ? '1' : spread(ratios(own, plain)).median.toFixed(3),
      figure((median(own) / cycles) * 1_000),
      written.length === 0 ? '' : figure(median(written) / 1_024),
      figure(median(block.map(({ peakMiB }) => peakMiB))),
    ]
  })
  const last = times[BARS.indexOf('durable, with the seam')] ?? []
  return {
    table: {
      caption: `**${figure(cycles)} cycles** (${rounds} ${rounds === 1 ? 'round' : 'rounds'})`,
      head: ['', 'ms', '× plain', 'µs a cycle', 'KiB written', 'peak MiB'],
      rows,
    },
    share: median(ratios(last, plain)),
  }
}

async function runOnce(way: WayName, cycles: number): Promise<Cycles> {
  const shape = JSON.stringify({ folder: scratchFolder(), cycles, resultBytes: RESULT_BYTES })
  const child = forkChild(new URL('../cycles/cycle-process.js', import.meta.url), [way, shape])
  const answer = await new Promise<Cycles>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Cycles))
    child.once('exit', (code) => reject(new Error(`"${way}" ended with code ${code} and no figures`)))
  })
  if (answer.modelCalls < cycles + 1 || answer.toolCalls !== cycles) {
    throw new Error(
      `"${way}" made ${answer.modelCalls} model calls and ${answer.toolCalls} tool calls in ${cycles} cycles`,
    )
  }
  return answer
}
