/** Many runs at once: what group commit gives, and whether the event loop lives beside it. */
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, ratios, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const RUNS = 64
const WARM_UP_STEPS = 2_000
const PROMISED_SPEEDUP = 5
const PROMISED_LATENESS_MS = 20

export const load: Workload = {
  name: 'load',
  async measure({ quick }) {
    const rounds = quick ? 7 : 20
    const each = quick ? 50 : 100
    const alone = quick ? 200 : 400
    const shape = { durability: 'full', bytes: 300 } as const
    const floor = await Session.open('bare-sqlite', 'floor', shape)
    const one = await Session.open('selvage', 'Selvage: 1 run', shape)
    const many = await Session.open('selvage', `Selvage: ${RUNS} runs at once`, shape)
    await one.atOnce(1, WARM_UP_STEPS)
    await many.atOnce(RUNS, WARM_UP_STEPS / 20)
    const answers = await interleave(
      [
        () => floor.inOneRun(alone),
        () => floor.atOnce(RUNS, each),
        () => one.atOnce(1, alone),
        () => many.atOnce(RUNS, each),
        () => floor.idle(200),
      ],
      { warmUp: 1, rounds },
    )
    const sizes = [alone, RUNS * each, alone, RUNS * each]
    const times = sizes.map((size, index) => (answers[index] ?? []).map(({ ms }) => (ms * 1_000) / size))
    const cpu = sizes.map((size, index) => median((answers[index] ?? []).map(({ cpuMs }) => (cpuMs * 1_000) / size)))
    const longestInsert = Math.max(...(answers[0] ?? []).flatMap(({ stepMs }) => stepMs))
    const late = answers.map((block) => block.map(({ worstLatenessMs }) => worstLatenessMs))
    let counted = 0
    for (const session of [floor, one, many]) counted += await session.close()

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
    const table: Table = {
      head: ['', 'µs a step', 'CPU µs', 'steps/s', 'worst lateness, median round (ms)', 'worst of all'],
      rows,
    }
    const verdicts: Verdict[] = [
      {
        what: `${RUNS} runs at once against one`,
        promised: `≥ ${PROMISED_SPEEDUP} × throughput`,
        measured: withQuartiles(speedup),
        kept: speedup.median >= PROMISED_SPEEDUP,
      },
      ...[2, 3].map((index) => lateVerdict(labels[index] ?? '', late[index] ?? [])),
    ]
    return {
      title: `${RUNS} runs at once`,
      how:
        `${RUNS} runs of ${each} steps of 300 B, from the first start to the last result, beside one run of ` +
        `${alone}; durability full, ${rounds} interleaved rounds. Meanwhile a 2 ms timer ticks in the same process; ` +
        'how late it fires at worst says whether tokens and heartbeats flow.',
      tables: [table],
      verdicts,
      notes: [
        `The longest single insert of the floor meanwhile: ${figure(longestInsert)} ms. An fsync blocks the event ` +
          'loop: no timer can be more punctual than the disk.',
        `Counted in the databases afterwards: ${figure(counted)} steps.`,
        'The lateness of a process that does nothing is the machine’s own: a figure below it cannot be measured here.',
      ],
    }
  },
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
