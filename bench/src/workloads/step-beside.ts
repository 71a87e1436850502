/** The step of issue and design beside what else a user might take, each on what it keeps its runs in. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { Field } from '../field.ts'
import { bars, type Plot } from '../plot.ts'
import { figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, LEAST } from '../rounds.ts'
import type { Session } from '../session.ts'
import { quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'
import { besideNearest, isPeer, OURS } from './step-nearest.ts'

const TRACED_STEPS = 50
const WARM_UP_MS = { quick: 400, whole: 1_200 }
const BUDGET_MS = { quick: 1_500, whole: 11_000 }
/** Who takes longer for a round makes fewer steps in it. */
const ROUND_MS = 600
const LEAST_STEPS = 10
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

/** Their sessions take seconds to begin. */
const SLOW = ['selvage-dbos', 'selvage-restate']

export interface Beside {
  readonly table: Table
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
  readonly plot: Plot
  readonly counted: number
}

export async function besidePeers(shape: StepShape, options: Options): Promise<Beside> {
  const { quick, until } = options
  const mode = quick ? 'quick' : 'whole'
  const [steps, warmUp] = quick ? [20, 5] : [50, 40]
  const slow = quick ? [...SLOW, 'vercel-workflow'] : []
  const names = FIELD.filter((name) => options.takesPart(name) && !slow.includes(name))
  const field = await Field.open(names, shape, until)
  const warm = await field.warmUp((session) => session.inOneRun(steps), warmUp, WARM_UP_MS[mode])
  const turns = field.names.map((name) => {
    const count = Math.min(steps, Math.max(LEAST_STEPS, Math.floor((ROUND_MS * steps) / (warm.get(name)?.ms ?? 1))))
    return { name, steps: count, work: (session: Session) => session.inOneRun(count) }
  })
  const logs = new Map<string, number>()
  await field.each(async ({ folder }, name) => logs.set(name, logBytes(folder)))
  const played = await field.rounds(turns, {
    warmUp: 0,
    rounds: quick ? 3 : 10,
    budgetMs: BUDGET_MS[mode],
    least: quick ? 1 : LEAST,
  })
  const grew = new Map<string, boolean>()
  await field.each(async ({ folder }, name) => grew.set(name, logBytes(folder) > (logs.get(name) ?? 0)))
  const syncs = new Map<string, string>()
  const counts = !quick
  if (counts) await field.each(async (session, name) => syncs.set(name, await syncsOf(session)))
  const counted = await field.close()

  const times = new Map(
    played.map(({ turn, answers }) => [turn.name, answers.map(({ ms }) => (ms * 1_000) / turn.steps)]),
  )
  const compared = (a: string, b: string): string => {
    const [own, other] = [times.get(a), times.get(b)]
    if (own === undefined || other === undefined) return ''
    return a === b ? '1' : withQuartiles(spread(ratios(own, other)))
  }
  const rows = played.map(({ turn: { name }, answers }) => {
    const single = answers.flatMap(({ stepMs }) => stepMs.map((ms) => ms * 1_000))
    return [
      contender(name).title,
      withQuartiles(spread(times.get(name) ?? [])),
      compared(name, floorOf(name)),
      compared(name, OURS),
      figure(quantile(single, 0.5)),
      figure(quantile(single, 0.99)),
      figure(1e6 / spread(times.get(name) ?? []).median),
      ...(counts ? [syncs.get(name) ?? ''] : []),
      contender(name).durability('full') === undefined ? 'a killed process' : 'loss of power',
    ]
  })
  const done = Math.max(0, ...played.map(({ answers }) => answers.length))
  const short = played
    .filter(({ turn }) => turn.steps < steps)
    .map(({ turn }) => `${contender(turn.name).title} ${turn.steps}`)
  const syncsHead = counts ? ['syncs a step'] : []
  const label = `${figure(shape.bytes)} B, beside peers`
  return {
    table: {
      caption: `**${label}** (${ofRounds(done)} of ${steps} steps)`,
      head: ['', 'µs a step', '× its floor', '× Selvage', 'p50 µs', 'p99 µs', 'steps/s', ...syncsHead, 'outlives'],
      rows,
    },
    verdicts: [besideNearest(shape, times, syncs)],
    notes: [
      `Beside peers each has had ${figure(steps * warmUp)} steps to warm up, or as many as it makes in ` +
        `${WARM_UP_MS[mode] / 1_000} s.`,
      ...logNote(label, grew),
      ...(short.length === 0
        ? []
        : [
            `${label}: who takes longer than ${ROUND_MS / 1_000} s for a round makes fewer steps in it (${short.join(', ')}).`,
          ]),
      ...field.absences,
      ...fewer(done, `${label}: the time of this section was over`),
      ...(slow.length === 0
        ? []
        : [`Left out as they are slow (quick): ${slow.map((name) => contender(name).title).join(', ')}.`]),
    ],
    plot: plotOf(shape, times),
    counted,
  }
}

/** `grew`: of whom it is known whether the log has grown while the rounds were measured. */
function logNote(label: string, grew: ReadonlyMap<string, boolean>): readonly string[] {
  if (grew.size === 0) return []
  const longer = [...grew].filter(([, isLonger]) => isLonger).map(([name]) => contender(name).title)
  if (longer.length === 0) {
    return [
      `${label}: SQLite’s log is written over by then: nobody’s file of it was longer behind these rounds than before.`,
    ]
  }
  return [
    `${label}: SQLite’s log still grew in these rounds, that of ${longer.join(', ')}. A commit that makes a file longer is dearer; ` +
      'ours makes room in it before.',
  ]
}

/** Of SQLite's log; 0 where there is none. */
function logBytes(folder: string): number {
  const logs = readdirSync(folder).filter((name) => name.endsWith('-wal'))
  return logs.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** Counted by strace; of a contender with a server those of the server. */
async function syncsOf(session: Session): Promise<string> {
  const syncs = await countSyncs(session, () => session.inOneRun(TRACED_STEPS))
  return syncs === undefined ? 'not counted' : figure(syncs / TRACED_STEPS)
}

function floorOf(name: string): string {
  if (name.includes('postgres') || name.includes('dbos')) return 'bare-postgres'
  return name.includes('restate') || name.includes('vercel') ? 'none' : 'bare-sqlite'
}

function plotOf({ bytes }: StepShape, times: ReadonlyMap<string, readonly number[]>): Plot {
  return bars({
    file: `step-${bytes}.svg`,
    title: `One step after another, ${figure(bytes)} B: microseconds a step`,
    bars: [...times].map(([name, own]) => {
      const { median, low, high } = spread(own)
      const kind = isPeer(name) ? 'peer' : name.startsWith('bare-') ? 'floor' : 'ours'
      return { label: contender(name).title, value: median, low, high, kind }
    }),
  })
}
