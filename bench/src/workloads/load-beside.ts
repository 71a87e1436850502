/** So many runs at once, by all who can have them in a process. */
import { contender } from '../contenders/all.ts'
import type { Field } from '../field.ts'
import { bars, type Plot } from '../plot.ts'
import { figure, ofRounds, type Table, withQuartiles } from '../report.ts'
import { fewer } from '../rounds.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import type { Options } from '../workload.ts'
import { isPeer } from './step-beside.ts'

export const FIELD: readonly string[] = [
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
const ROUNDS = 5
/** Who takes longer for a round has had it. */
const PATIENCE_MS = { quick: 1_500, whole: 5_000 }
/** Who would take longer is not begun with. */
const LIMIT_MS = { quick: 4_000, whole: 24_000 }
/** Of what is left of the section's time, for who is not slow. */
const PROBE = { runs: 16, steps: 4 }

export interface LoadBeside {
  readonly table: Table
  readonly plot: Plot
  readonly notes: readonly string[]
}

export async function loadBeside(field: Field, runs: number, each: number, options: Options): Promise<LoadBeside> {
  const mode = options.quick ? 'quick' : 'whole'
  await field.each(async (session, name) => {
    const { ms } = await session.atOnce(PROBE.runs, PROBE.steps)
    const rate = (PROBE.runs * PROBE.steps) / ms
    const whole = (runs * each) / rate
    if (whole > LIMIT_MS[mode]) {
      field.leave(
        name,
        `at ${figure(rate * 1_000)} steps/s, ${runs} runs would take ${figure(whole / 1_000)} s a round`,
      )
    }
  })
  const answers = await field.rounds((session) => session.atOnce(runs, each), {
    warmUp: 0,
    rounds: ROUNDS,
    least: options.quick ? 1 : ROUNDS,
    patienceMs: PATIENCE_MS[mode],
  })
  const times = new Map([...answers].map(([name, own]) => [name, own.map(({ ms }) => (ms * 1_000) / (runs * each))]))
  const rows = [...answers].map(([name, own]) => {
    const own0 = times.get(name) ?? []
    const single = own.flatMap(({ stepMs }) => stepMs)
    return [
      contender(name).title,
      figure(1e6 / median(own0)),
      withQuartiles(spread(own0)),
      name === 'selvage' ? '1' : withQuartiles(spread(ratios(own0, times.get('selvage') ?? []))),
      ...[0.5, 0.99].map((q) => figure(quantile(single, q))),
      figure(median(own.map(({ cpuMs }) => (cpuMs * 1_000) / (runs * each)))),
      figure(Math.max(...own.map(({ residentMiB }) => residentMiB))),
      figure(median(own.map(({ worstLatenessMs }) => worstLatenessMs))),
      figure(own.length),
    ]
  })
  const done = Math.max(...[...answers.values()].map(({ length }) => length), 0)
  const once = [...answers].filter(([, own]) => own.length < done).map(([name]) => contender(name).title)
  const label = `${runs} runs of ${each} steps, beside peers`
  const slow = `who takes longer than ${PATIENCE_MS[mode] / 1_000} s for a round has one round (${once.join(', ')})`
  return {
    table: {
      caption: `**${label}** (${ofRounds(done)})`,
      head: [
        ...['', 'steps/s', 'µs a step', '× Selvage', 'p50 ms', 'p99 ms'],
        ...['CPU µs a step', 'MiB', 'timer late ms', 'rounds'],
      ],
      rows,
    },
    plot: bars({
      file: `load-${runs}.svg`,
      title: `${runs} runs of ${each} steps at once: steps a second`,
      bars: [...times].map(([name, each]) => {
        const { median, low, high } = spread(each)
        const kind = isPeer(name) ? 'peer' : 'ours'
        return { label: contender(name).title, value: 1e6 / median, low: 1e6 / high, high: 1e6 / low, kind }
      }),
    }),
    notes: [
      ...(once.length === 0 ? [] : [`${label}: ${slow}.`]),
      ...fewer(done, `${label}: ${options.quick ? 'quick' : 'the time of this section was over'}`),
    ],
  }
}
