/** Many runs at once: what group commit gives, whether the event loop lives beside it, and what peers make of it. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { Field } from '../field.ts'
import { bars, type Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncsAtOnce } from '../syncs.ts'
import type { Options, Workload } from '../workload.ts'
import { isPeer } from './step-beside.ts'

const SHAPE: StepShape = { durability: 'full', bytes: 300 }
const RUNS = 64
const MANY = 512
const EACH = 20
const WARM_UP_STEPS = 2_000
/** For a first round of 64 runs; eight times that is what a round of 512 takes. */
const PATIENCE_MS = 5_000
const FEW: Limits = { rounds: 7, least: 5, budgetMs: 30_000 }
/** Ten thousand steps each: a peer needs up to twenty seconds for a round. */
const OF_MANY: Limits = { rounds: 5, least: 1, budgetMs: 20_000 }
const QUICK: Limits = { rounds: 3, least: 1, budgetMs: 0 }
const PROMISED_SPEEDUP = 6
const PROMISED_LATENESS_MS = 20
const FIELD = [
  'selvage',
  'openworkflow-sqlite',
  'langgraph',
  'selvage-postgres',
  'openworkflow-postgres',
  'dbos',
  'selvage-dbos',
  'restate',
  'selvage-restate',
  'vercel-workflow',
]

interface Beside {
  readonly table: Table
  readonly plot: Plot
  readonly notes: readonly string[]
  readonly absent: readonly string[]
}

interface Limits {
  readonly rounds: number
  readonly least: number
  readonly budgetMs: number
}

export const load: Workload = {
  name: 'load',
  async measure(options) {
    const own = await againstOneRun(options)
    const parts: Beside[] = []
    const section = (): Section => ({
      title: 'Many runs at once',
      how:
        `${RUNS} and ${MANY} runs at once of ${EACH} steps of 300 B, from the first start to the last step, durability ` +
        'full. First Selvage alone, beside one run and the floor; then beside peers, where a step is timed from asked ' +
        'for to acknowledged. *CPU* and *memory* are those of the process that runs the steps; servers have more.',
      tables: [own.table, ...parts.map(({ table }) => table)],
      verdicts: own.verdicts,
      plots: parts.map(({ plot }) => plot),
      notes: [...own.notes, ...parts.flatMap(({ notes }) => notes)],
    })
    options.save(section())
    parts.push(await beside(RUNS, options.quick ? QUICK : FEW, options))
    options.save(section())
    if (options.quick) return section()
    if (performance.now() < options.until) parts.push(await beside(MANY, OF_MANY, withoutSlow(options, parts)))
    else own.notes.push(`${MANY} runs at once: left out, as the time was over.`)
    return section()
  },
}

interface Beside {
  readonly table: Table
  readonly plot: Plot
  readonly notes: readonly string[]
  readonly absent: readonly string[]
}

interface Limits {
  readonly rounds: number
  readonly least: number
  readonly budgetMs: number
}

async function beside(runs: number, limits: Limits, { quick, takesPart }: Options): Promise<Beside> {
  const field = await Field.open(
    // A first round there takes half a minute.
    FIELD.filter((name) => takesPart(name) && !(quick && name === 'vercel-workflow')),
    SHAPE,
  )
  await field.warmUp((session) => session.atOnce(RUNS, EACH), PATIENCE_MS)
  const answers = await field.rounds((session) => session.atOnce(runs, EACH), { warmUp: 0, ...limits })
  const counted = await field.close()
  const times = new Map([...answers].map(([name, own]) => [name, own.map(({ ms }) => (ms * 1_000) / (runs * EACH))]))
  const rows = [...answers].map(([name, own]) => {
    const each = times.get(name) ?? []
    const single = own.flatMap(({ stepMs }) => stepMs)
    return [
      contender(name).title,
      figure(1e6 / median(each)),
      withQuartiles(spread(each)),
      name === 'selvage' ? '1' : withQuartiles(spread(ratios(each, times.get('selvage') ?? []))),
      figure(quantile(single, 0.5)),
      figure(quantile(single, 0.99)),
      figure(median(own.map(({ cpuMs }) => (cpuMs * 1_000) / (runs * EACH)))),
      figure(Math.max(...own.map(({ residentMiB }) => residentMiB))),
      figure(median(own.map(({ worstLatenessMs }) => worstLatenessMs))),
    ]
  })
  const done = [...answers.values()][0]?.length ?? 0
  return {
    table: {
      caption: `**${runs} runs of ${EACH} steps, beside peers** (${done} ${done === 1 ? 'round' : 'rounds'})`,
      head: ['', 'steps/s', 'µs a step', '× Selvage', 'p50 ms', 'p99 ms', 'CPU µs a step', 'MiB', 'timer late ms'],
      rows,
    },
    plot: bars({
      file: `load-${runs}.svg`,
      title: `${runs} runs of ${EACH} steps at once: steps a second`,
      bars: [...times].map(([name, each]) => {
        const { median, low, high } = spread(each)
        return {
          label: contender(name).title,
          value: 1e6 / median,
          low: 1e6 / high,
          high: 1e6 / low,
          kind: kindOf(name),
        }
      }),
    }),
    absent: [...field.absent.keys()],
    notes: [...field.absences, `${runs} runs: ${figure(counted)} steps were counted in what all have recorded.`],
  }
}

/** Who has not come through 64 runs is not asked for 512. */
function withoutSlow(options: Options, parts: readonly Beside[]): Options {
  const absent = parts.flatMap((part) => part.absent)
  return { ...options, takesPart: (name) => options.takesPart(name) && !absent.includes(name) }
}

function kindOf(name: string): 'peer' | 'ours' {
  return isPeer(name) ? 'peer' : 'ours'
}

async function againstOneRun({ quick }: Options): Promise<{ table: Table; verdicts: Verdict[]; notes: string[] }> {
  const rounds = quick ? 5 : 20
  const each = quick ? 50 : 100
  const alone = quick ? 200 : 400
  const floor = await Session.open('bare-sqlite', 'floor', SHAPE)
  const one = await Session.open('selvage', 'Selvage: 1 run', SHAPE)
  const many = await Session.open('selvage', `Selvage: ${RUNS} runs at once`, SHAPE)
  await one.atOnce(1, quick ? WARM_UP_STEPS / 4 : WARM_UP_STEPS)
  await many.atOnce(RUNS, WARM_UP_STEPS / 20)
  const answers = await interleave(
    [
      () => floor.inOneRun(alone),
      () => floor.atOnce(RUNS, each),
      () => one.atOnce(1, alone),
      () => many.atOnce(RUNS, each),
      () => floor.idle(200),
    ],
    { warmUp: 1, rounds, budgetMs: 20_000 },
  )
  const sizes = [alone, RUNS * each, alone, RUNS * each]
  const times = sizes.map((size, index) => (answers[index] ?? []).map(({ ms }) => (ms * 1_000) / size))
  const cpu = sizes.map((size, index) => median((answers[index] ?? []).map(({ cpuMs }) => (cpuMs * 1_000) / size)))
  const longestInsert = Math.max(...(answers[0] ?? []).flatMap(({ stepMs }) => stepMs))
  const late = answers.map((block) => block.map(({ worstLatenessMs }) => worstLatenessMs))
  let counted = 0
  for (const session of [floor, one, many]) counted += await session.close()
  const syncs = await countSyncsAtOnce('selvage', SHAPE, RUNS, EACH)

  const speedup = spread(ratios(times[2] ?? [], times[3] ?? []))
  const labels = ['floor: a transaction each', `floor: ${RUNS} in a transaction`, one.label, many.label]
  const rows = labels.map((label, index) => [
    label,
    withQuartiles(spread(times[index] ?? [])),
    figure(cpu[index] ?? 0),
    figure(1e6 / median(times[index] ?? [])),
    ...(index < 2 ? ['', ''] : latenessOf(late[index] ?? [])),
  ])
  rows.push(['nothing at all, for comparison', '', '', '', ...latenessOf(late[4] ?? [])])
  return {
    table: {
      caption: `**${RUNS} runs of ${each} steps beside one run of ${alone}** (${rounds} rounds)`,
      head: ['', 'µs a step', 'CPU µs', 'steps/s', 'worst lateness, median round (ms)', 'worst of all'],
      rows,
    },
    verdicts: [
      {
        what: `${RUNS} runs at once against one`,
        promised: `≥ ${PROMISED_SPEEDUP} × throughput`,
        measured: withQuartiles(speedup),
        kept: speedup.median >= PROMISED_SPEEDUP,
      },
      ...[2, 3].map((index) => lateVerdict(labels[index] ?? '', late[index] ?? [])),
    ],
    notes: [
      syncs === undefined
        ? 'Syncs were not counted: there is no strace on this machine.'
        : `Group commit: ${figure(RUNS * EACH)} steps of ${RUNS} runs, their starts and ends included, took ` +
          `${figure(syncs)} syncs, counted by strace.`,
      `The longest single insert of the floor meanwhile: ${figure(longestInsert)} ms. An fsync blocks the event ` +
        'loop: no timer can be more punctual than the disk.',
      `Counted in the databases afterwards: ${figure(counted)} steps.`,
      'A 2 ms timer ticks in the process meanwhile; how late it fires at worst says whether tokens and heartbeats ' +
        'flow. The lateness of a process that does nothing is the machine’s own.',
    ],
  }
}

function latenessOf(values: readonly number[]): [string, string] {
  return [figure(median(values)), figure(Math.max(...values))]
}

function lateVerdict(label: string, values: readonly number[]): Verdict {
  const worst = Math.max(...values)
  return {
    what: `2 ms timer beside ${label.replace('Selvage: ', '')}`,
    promised: `≤ ${PROMISED_LATENESS_MS} ms late`,
    measured: `${figure(worst)} (median round ${figure(median(values))})`,
    kept: worst <= PROMISED_LATENESS_MS,
  }
}
