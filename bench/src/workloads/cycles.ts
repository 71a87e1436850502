/**
 * What an agent costs by the number of its cycles: the SDK's own loop, and a durable one, with and without the seam; the
 * SDK's own ways of keeping a run; and which calls each way makes again when its process is killed.
 */
import { existsSync, statSync } from 'node:fs'
import { forkChild, within } from '../children.ts'
import { databaseFile } from '../contenders/selvage/database.ts'
import type { Cycles } from '../cycles/cycle-process.ts'
import { repeatedByKill } from '../cycles/repeated.ts'
import { WAYS, type WayName } from '../cycles/ways.ts'
import { type Bar, bars, type Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, spread } from '../statistics.ts'
import type { Options, Workload } from '../workload.ts'

const PROMISED = 0.05
const PAGE_BYTES = 2_048
const LINEAR: readonly WayName[] = ['plain, with the seam', 'durable, with the seam']
const QUADRATIC: readonly WayName[] = ['plain', 'durable, without the seam']
const KEPT_BY_SDK: readonly WayName[] = ['SessionManager, per message', 'checkpointing: true, with a SessionManager']
const ORDER = Object.keys(WAYS) as WayName[]

interface Size {
  readonly cycles: number
  readonly resultBytes: number
  /** Each with its rounds; what stands in one group is interleaved. */
  readonly groups: readonly (readonly [ways: readonly WayName[], rounds: number])[]
  readonly left?: string
}

const BARS = [...QUADRATIC, ...LINEAR]
const WHOLE: readonly Size[] = [
  { cycles: 50, resultBytes: 200, groups: [[ORDER, 5]] },
  { cycles: 50, resultBytes: 4_000, groups: [[ORDER, 5]] },
  {
    cycles: 500,
    resultBytes: 200,
    groups: [
      [BARS, 5],
      [KEPT_BY_SDK, 1],
    ],
  },
  {
    cycles: 500,
    resultBytes: 4_000,
    groups: [[BARS, 2]],
    left: 'SessionManager and checkpointing write gigabytes there, and are left out',
  },
  {
    cycles: 5_000,
    resultBytes: 4_000,
    groups: [[LINEAR, 1]],
    left: 'the two bars without the seam are left out: they would take longer than the whole of the bench',
  },
  {
    cycles: 5_000,
    resultBytes: 200,
    groups: [
      [LINEAR, 2],
      [['plain'], 1],
      [['durable, without the seam'], 1],
    ],
    left: 'the bars without the seam are quadratic and take minutes: one round; the SDK’s own ways of keeping a run, too, and are left out',
  },
]
const QUICK: readonly Size[] = [
  { cycles: 50, resultBytes: 200, groups: [[ORDER, 1]] },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 1]] },
  { cycles: 200, resultBytes: 200, groups: [[BARS, 1]] },
]

export const cycles: Workload = {
  name: 'cycles',
  async measure(options) {
    const kill = await repeatedByKill(200, options.quick ? 1 : 2)
    const tables: Table[] = []
    const verdicts: Verdict[] = []
    const plots: Plot[] = []
    const notes: string[] = []
    const section = (): Section => ({
      title: 'An agent by its cycles',
      how:
        'One agent with a model and a tool that answer at once, one tool call a cycle; each run in a process of its own, ' +
        'from the first line after the imports to the result. Durable runs are managed ones on the embedded engine with ' +
        'durability full, opening and closing included: two commits a cycle, each with its fsync. The seam is what ' +
        '`linear` switches off (agents/strands/src/linear.ts): two things that the SDK’s loop does to all messages in ' +
        'each cycle.',
      tables: [...tables, kill.table],
      verdicts: [...verdicts, kill.verdict],
      plots,
      notes: [
        ...notes,
        'In every run the calls of model and tool were counted: one of each a cycle, and one more of the model.',
        'SessionManager (FileStorage, saveLatestOn: message) writes without fsync; so does checkpointing, which ' +
          'needs it, and whose checkpoints are kept in a file besides.',
        kill.note,
      ],
    })
    for (const size of options.quick ? QUICK : WHOLE) {
      const compared = await compare(size, options)
      tables.push(compared.table)
      notes.push(...compared.notes)
      if (size.resultBytes === 200) plots.push(compared.plot)
      options.save(section())
      if (size.cycles < 5_000 || size.resultBytes !== 200) continue
      verdicts.push({
        what: `a durable agent of ${figure(size.cycles)} cycles beside the plain SDK`,
        promised: `≤ ${PROMISED} × its time`,
        measured: Number.isNaN(compared.share) ? 'not measured' : compared.share.toFixed(4),
        kept: compared.share <= PROMISED,
      })
    }
    return section()
  },
}

interface Compared {
  readonly table: Table
  readonly plot: Plot
  /** Of the plain SDK's time, for the durable agent with the seam. */
  readonly share: number
  readonly notes: readonly string[]
}

async function compare({ cycles, resultBytes, groups, left }: Size, options: Options): Promise<Compared> {
  const label = `${figure(cycles)} cycles, results of ${figure(resultBytes)} B`
  const found = new Map<WayName, readonly Once[]>()
  const notes = left === undefined ? [] : [`${label}: ${left}.`]
  for (const [ways, rounds] of groups) {
    const blocks = ways.map((way) => () => runOnce(way, { cycles, resultBytes }, options))
    try {
      const answers = await interleave(blocks, { warmUp: 0, rounds })
      for (const [index, way] of ways.entries()) found.set(way, answers[index] ?? [])
    } catch (error) {
      notes.push(`${label}: ${error instanceof Error ? error.message : String(error)}.`)
    }
  }
  const time = (way: WayName): number => median((found.get(way) ?? []).map(({ ms }) => ms))
  const ways = ORDER.filter((way) => found.has(way))
  const rows = ways.map((way) => {
    const block = found.get(way) ?? []
    const written = block.flatMap((each) => (each.written === undefined ? [] : [each.written]))
    const pages = block.flatMap((each) => (each.pages === undefined ? [] : [each.pages]))
    return [
      way,
      withQuartiles(spread(block.map(({ ms }) => ms))),
      found.has('plain') ? (time(way) / time('plain')).toFixed(3) : '',
      figure((time(way) / cycles) * 1_000),
      written.length === 0 ? '' : figure(median(written) / 1_024),
      pages.length === 0 ? '' : figure(median(pages)),
      figure(median(block.map(({ peakMiB }) => peakMiB))),
      figure(block.length),
    ]
  })
  return {
    table: {
      caption: `**${label}**`,
      head: ['', 'ms', '× plain', 'µs a cycle', 'KiB written', 'database pages', 'peak MiB', 'rounds'],
      rows,
    },
    plot: bars({
      file: `cycles-${cycles}.svg`,
      title: `${label}: milliseconds`,
      bars: ways.map((way): Bar => {
        const { median, low, high } = spread((found.get(way) ?? []).map(({ ms }) => ms))
        const kind = way.startsWith('durable') ? 'ours' : way.startsWith('plain') ? 'floor' : 'peer'
        return { label: way, value: median, low, high, kind }
      }),
    }),
    share: time('durable, with the seam') / time('plain'),
    notes,
  }
}

interface Once extends Cycles {
  /** Of the database, once nothing is open. */
  readonly pages: number | undefined
}

async function runOnce(
  way: WayName,
  { cycles, resultBytes }: { readonly cycles: number; readonly resultBytes: number },
  { until }: Options,
): Promise<Once> {
  const folder = scratchFolder()
  const shape = JSON.stringify({ folder, cycles, resultBytes })
  const child = forkChild(new URL('../cycles/cycle-process.js', import.meta.url), [way, shape])
  const told = new Promise<Cycles>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Cycles))
    child.once('exit', (code) => reject(new Error(`"${way}" ended with code ${code} and no figures`)))
  })
  try {
    const answer = await within(until - performance.now(), `"${way}"`, told)
    if (answer.modelCalls < cycles + 1 || answer.toolCalls !== cycles) {
      throw new Error(
        `"${way}" made ${answer.modelCalls} model calls and ${answer.toolCalls} tool calls in ${cycles} cycles`,
      )
    }
    const file = databaseFile(folder)
    return { ...answer, pages: existsSync(file) ? statSync(file).size / PAGE_BYTES : undefined }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}
