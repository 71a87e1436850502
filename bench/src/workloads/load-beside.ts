/** So many runs at once, by all who can have them in a process. */
import { contender } from '../contenders/all.ts'
import type { Field, Played, Turn } from '../field.ts'
import { type Bar, bars, type Plot } from '../plot.ts'
import { figure, ofRounds, type Table, withQuartiles } from '../report.ts'
import { fewer } from '../rounds.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import type { Options } from '../workload.ts'
import { isPeer, OURS } from './step-nearest.ts'

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
/** Steps a run: as many of them as one round takes so long for, by what was seen before. */
const STEPS = [20, 10, 5, 2]
const ROUND_MS = { quick: 700, whole: 1_600 }
/** Who takes longer for a round all the same goes on only where there is time for all of its rounds. */
const PATIENCE_MS = { quick: 1_500, whole: 5_000 }
/** Who would take longer with the fewest steps is not begun with. */
const LIMIT_MS = { quick: 3_000, whole: 24_000 }

export interface LoadBeside {
  readonly table: Table
  readonly plot: Plot
  readonly notes: readonly string[]
  /** Steps a second of each, as the next one may expect them. */
  readonly rates: Rates
}

export type Rates = ReadonlyMap<string, number>

interface LoadTurn extends Turn {
  /** Steps a run. */
  readonly each: number
}

/** As many steps a run as a round of so many runs has time for, at so many steps a second. */
export function stepsFor(runs: number, rate: number, least: number, roundMs: number): number {
  return STEPS.find((count) => count >= least && (runs * count * 1_000) / rate <= roundMs) ?? least
}

/** `rates`: what each has made before. `least`: fewer steps a run than these say more of the starts than of the steps. */
export async function loadBeside(
  field: Field,
  { runs, least }: { readonly runs: number; readonly least: number },
  rates: Rates,
  options: Options,
): Promise<LoadBeside> {
  const mode = options.quick ? 'quick' : 'whole'
  const counts = new Map<string, number>()
  for (const name of field.names) {
    const rate = rates.get(name) ?? Number.POSITIVE_INFINITY
    const each = stepsFor(runs, rate, least, ROUND_MS[mode])
    const wholeMs = (runs * each * 1_000) / rate
    if (wholeMs <= LIMIT_MS[mode]) counts.set(name, each)
    else {
      field.leave(
        name,
        `at ${figure(rate)} steps/s, ${runs} runs of ${each} steps would take ${figure(wholeMs / 1_000)} s a round`,
      )
    }
  }
  const turnOf = (name: string, each: number): LoadTurn => ({
    ...{ name, each },
    work: (session) => session.atOnce(runs, each),
  })
  // Beside who makes fewer steps a run, ours makes as few: a run's start counts for more there.
  const ours = field.names.includes(OURS) ? [...new Set(counts.values())].sort((a, b) => b - a) : []
  const others = [...counts].filter(([name]) => name !== OURS)
  const turns = [...ours.map((each) => turnOf(OURS, each)), ...others.map(([name, each]) => turnOf(name, each))]
  const played = await field.rounds(turns, {
    warmUp: 0,
    rounds: options.quick ? 2 : ROUNDS,
    least: options.quick ? 1 : ROUNDS,
    patienceMs: PATIENCE_MS[mode],
  })
  const perStep = ({ turn: { each }, answers }: Played<LoadTurn>): readonly number[] =>
    answers.map(({ ms }) => (ms * 1_000) / (runs * each))
  const rows = played.map((own) => {
    const { turn, answers } = own
    const times = perStep(own)
    const beside = played.find((each) => each.turn.name === OURS && each.turn.each === turn.each)
    const single = answers.flatMap(({ stepMs }) => stepMs)
    return [
      contender(turn.name).title,
      figure(turn.each),
      figure(1e6 / median(times)),
      withQuartiles(spread(times)),
      turn.name === OURS || beside === undefined ? '1' : withQuartiles(spread(ratios(times, perStep(beside)))),
      ...[0.5, 0.99].map((q) => figure(quantile(single, q))),
      figure(median(answers.map(({ cpuMs }) => (cpuMs * 1_000) / (runs * turn.each)))),
      figure(Math.max(...answers.map(({ residentMiB }) => residentMiB))),
      figure(median(answers.map(({ worstLatenessMs }) => worstLatenessMs))),
      figure(Math.max(...answers.map(({ worstLatenessMs }) => worstLatenessMs))),
      figure(answers.length),
    ]
  })
  const done = Math.max(...played.map(({ answers }) => answers.length), 0)
  const once = played.filter(({ answers }) => answers.length < done).map(({ turn }) => contender(turn.name).title)
  const label = `${runs} runs at once, beside peers`
  const slow = `for ${once.join(', ')} more than a round would have taken longer than this section has`
  return {
    table: {
      caption: `**${label}** (${ofRounds(done)})`,
      head: [
        ...['', 'steps a run', 'steps/s', 'µs a step', '× Selvage', 'p50 ms', 'p99 ms'],
        ...['CPU µs a step', 'MiB', 'timer late ms, worst of a round (median)', 'timer late ms, worst', 'rounds'],
      ],
      rows,
    },
    plot: bars({
      file: `load-${runs}.svg`,
      title: `${runs} runs at once: steps a second, beside ours with as many steps a run`,
      bars: barsOf(played, perStep),
    }),
    notes: [
      ...(ours.length < 2
        ? []
        : [
            `${label}: who would take longer than ${ROUND_MS[mode] / 1_000} s for runs of ${STEPS[0]} steps makes fewer in each, and is ` +
              'compared with Selvage making as few; the starts of the runs are in the time of all.',
          ]),
      ...(once.length === 0 ? [] : [`${label}: ${slow}.`]),
      ...fewer(done, `${label}: ${options.quick ? 'quick' : 'the time of this section was over'}`),
    ],
    // Of ours the row with the most steps a run, which is its first.
    rates: new Map(played.toReversed().map((own) => [own.turn.name, 1e6 / median(perStep(own))])),
  }
}

/** Those with as many steps a run stand together, the longest runs first: ours in front of whom it is compared with. */
function barsOf(
  played: readonly Played<LoadTurn>[],
  perStep: (own: Played<LoadTurn>) => readonly number[],
): readonly Bar[] {
  const counts = [...new Set(played.map(({ turn }) => turn.each))].sort((a, b) => b - a)
  return counts.flatMap((count) =>
    played
      .filter(({ turn }) => turn.each === count)
      .map((own, index): Bar => {
        const { median, low, high } = spread(perStep(own))
        const { name } = own.turn
        return {
          label: `${contender(name).title} (${count} a run)`,
          ...{ value: 1e6 / median, low: 1e6 / high, high: 1e6 / low },
          kind: isPeer(name) ? 'peer' : 'ours',
          beginsGroup: index === 0 && count !== counts[0],
        }
      }),
  )
}
