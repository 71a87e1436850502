/** The step of issue and design beside what else a user might take, each on what it keeps its runs in. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { Field } from '../field.ts'
import { bars, type Plot } from '../plot.ts'
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import type { Answer } from '../serve-steps.ts'
import { quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'

const PROMISED_FASTER = 3
const TRACED_STEPS = 50
const OURS = 'selvage'
const FIELD = [
  'bare-sqlite',
  OURS,
  'openworkflow-sqlite',
  'langgraph',
  'bare-postgres',
  'selvage-postgres',
  'openworkflow-postgres',
  'dbos',
  'selvage-dbos',
  'restate',
  'selvage-restate',
  'vercel-workflow',
]

export interface Beside {
  readonly table: Table
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
  readonly plot: Plot
  readonly counted: number
}

export async function besidePeers(shape: StepShape, options: Options): Promise<Beside> {
  const { quick, takesPart } = options
  const steps = quick ? 20 : 50
  const field = await Field.open(FIELD.filter(takesPart), shape)
  await field.each((session) => session.inOneRun(quick ? 50 : 300))
  const rounds = { warmUp: 1, rounds: quick ? 5 : 10, budgetMs: quick ? 8_000 : 20_000 }
  const answers = await field.rounds((session) => session.inOneRun(steps), rounds)
  const counted = await field.close()

  const syncs = new Map<string, string>()
  for (const name of answers.keys()) {
    if (quick || shape.bytes > 300 || performance.now() > options.until) break
    syncs.set(name, await syncsOf(name, shape))
  }
  const times = new Map([...answers].map(([name, own]) => [name, own.map(({ ms }) => (ms * 1_000) / steps)]))
  const compared = (a: string, b: string): string => {
    const [own, other] = [times.get(a), times.get(b)]
    if (own === undefined || other === undefined) return ''
    return a === b ? '1' : withQuartiles(spread(ratios(own, other)))
  }
  const rows = [...answers].map(([name, own]) => {
    const single = own.flatMap(({ stepMs }) => stepMs.map((ms) => ms * 1_000))
    return [
      contender(name).title,
      withQuartiles(spread(times.get(name) ?? [])),
      compared(name, floorOf(name)),
      compared(name, OURS),
      figure(quantile(single, 0.5)),
      figure(quantile(single, 0.99)),
      figure(1e6 / spread(times.get(name) ?? []).median),
      syncs.get(name) ?? '',
      contender(name).durability('full') === undefined ? 'a killed process' : 'loss of power',
    ]
  })
  const done = [...answers.values()][0]?.length ?? 0
  return {
    table: {
      caption: `**${figure(shape.bytes)} B, beside peers** (${done} rounds of ${steps} steps)`,
      head: ['', 'µs a step', '× its floor', '× Selvage', 'p50 µs', 'p99 µs', 'steps/s', 'syncs a step', 'outlives'],
      rows,
    },
    verdicts: [fastest(shape, times)],
    notes: field.absences,
    plot: plotOf(shape, answers, steps),
    counted,
  }
}

/** Counted by strace; of a contender with a server those of the server. */
async function syncsOf(name: string, shape: StepShape): Promise<string> {
  try {
    const syncs = await countSyncs(name, shape, TRACED_STEPS)
    return syncs === undefined ? 'not counted' : figure(syncs / TRACED_STEPS)
  } catch {
    return 'not counted'
  }
}

function floorOf(name: string): string {
  if (name.includes('postgres') || name.includes('dbos')) return 'bare-postgres'
  return name.includes('restate') || name.includes('vercel') ? 'none' : 'bare-sqlite'
}

/** Beside the peer that comes nearest. */
function fastest({ bytes }: StepShape, times: ReadonlyMap<string, readonly number[]>): Verdict {
  const peers = [...times].filter(([name]) => isPeer(name) && contender(name).durability('full') !== undefined)
  const [nearest] = peers
    .map(([name, own]) => ({ name, ratio: spread(ratios(own, times.get(OURS) ?? [])) }))
    .sort((a, b) => a.ratio.median - b.ratio.median)
  return {
    what: `a step of ${figure(bytes)} B beside any peer with the same durability`,
    promised: `≥ ${PROMISED_FASTER} × faster`,
    measured: nearest === undefined ? '–' : `${withQuartiles(nearest.ratio)}, ${contender(nearest.name).title}`,
    kept: nearest !== undefined && nearest.ratio.median >= PROMISED_FASTER,
  }
}

export function isPeer(name: string): boolean {
  return contender(name).peer !== undefined && !name.startsWith('bare-')
}

function plotOf({ bytes }: StepShape, answers: ReadonlyMap<string, readonly Answer[]>, steps: number): Plot {
  return bars({
    file: `step-${bytes}.svg`,
    title: `One step after another, ${figure(bytes)} B: microseconds a step`,
    bars: [...answers].map(([name, own]) => {
      const { median, low, high } = spread(own.map(({ ms }) => (ms * 1_000) / steps))
      const kind = isPeer(name) ? 'peer' : name.startsWith('bare-') ? 'floor' : 'ours'
      return { label: contender(name).title, value: median, low, high, kind }
    }),
  })
}
