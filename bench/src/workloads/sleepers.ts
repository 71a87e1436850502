/** What it costs to have many runs that wait: on disk, in a worker, and for the one that is woken. */
import type { Contender } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, ofRounds, type Section, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, quantile, spread } from '../statistics.ts'
import type { Options, Workload } from '../workload.ts'

const WHOLE = 100_000
const QUICK = 1_000
const FEW = 100
const WOKEN = { quick: 30, whole: 90 }
const PROMISED = { bytes: 1_024, memoryMiB: 10, wakeMs: 10 }

export const sleepers: Workload = {
  name: 'sleepers',
  async prepare({ quick }) {
    const { sleepers } = contender('selvage')
    if (sleepers === undefined) throw new Error('no sleepers to measure')
    const sizes = [FEW, quick ? QUICK : WHOLE]
    const folders = sizes.map(() => scratchFolder())
    await Promise.all(sizes.map((count, index) => sleepers.make(folders[index] ?? '', count)))
    return (options) => wakeSome(sleepers, sizes, folders, options)
  },
}

async function wakeSome(
  sleepers: NonNullable<Contender['sleepers']>,
  sizes: readonly number[],
  folders: readonly string[],
  { quick, until }: Options,
): Promise<Section> {
  const stored = folders.map((folder) => sleepers.stored(folder))
  for (const [index, { suspended }] of stored.entries()) {
    if (suspended !== sizes[index]) throw new Error(`${sizes[index]} runs should sleep, ${suspended} do`)
  }
  // Each round wakes others: those of the round before have ended.
  const wanted = quick ? 1 : 5
  const woke = WOKEN[quick ? 'quick' : 'whole']
  const played = sizes.map(() => 0)
  const woken = await interleave(
    sizes.map((count, index) => () => {
      const round = played[index] ?? 0
      played[index] = round + 1
      return sleepers.wake(folders[index] ?? '', count, woke / wanted, round)
    }),
    { warmUp: 0, rounds: wanted, until },
  )
  const rounds = woken[0]?.length ?? 0
  const rows = sizes.map((count, index) => {
    const { file, journal } = stored[index] ?? { file: 0, journal: 0 }
    const taken = woken[index] ?? []
    const wake = taken.flatMap(({ wakeMs }) => wakeMs)
    return [
      `${figure(count)} sleepers`,
      figure(file / count),
      figure((file - journal) / count),
      figure(median(taken.map(({ openedMiB }) => openedMiB))),
      withQuartiles(spread(taken.map(({ idleMiB }) => idleMiB))),
      figure(median(taken.map(({ wokenMiB }) => wokenMiB))),
      withQuartiles(spread(taken.map(({ idleCpu }) => idleCpu * 100))),
      ...[0.5, 0.99, 1].map((q) => figure(quantile(wake, q))),
    ]
  })
  const count = sizes[1] ?? 0
  const beyond = ((stored[1]?.file ?? 0) - (stored[1]?.journal ?? 0)) / count
  const [few = 0, all = 0] = woken.map((taken) => median(taken.map(({ idleMiB }) => idleMiB)))
  const wake = (woken[1] ?? []).flatMap(({ wakeMs }) => wakeMs)
  const verdicts: Verdict[] = [
    {
      what: `${figure(count)} sleepers on disk beyond their journals`,
      promised: `≤ ${figure(PROMISED.bytes)} B each`,
      measured: `${figure(beyond)} B`,
      kept: beyond <= PROMISED.bytes,
      why: 'the row of a run, what it is listed by, claims and indexes weigh more than that',
    },
    {
      what: `memory of a worker that has ${figure(count)} sleepers`,
      promised: `< ${PROMISED.memoryMiB} MiB more`,
      measured: `${figure(all - few)} MiB`,
      kept: all - few < PROMISED.memoryMiB,
      why: 'a worker keeps something for each run that waits, which it should not (I8)',
    },
    {
      what: `a signal wakes one of ${figure(count)} sleepers, p50`,
      promised: `≤ ${PROMISED.wakeMs} ms`,
      measured: `${figure(median(wake))} ms (p99 ${figure(quantile(wake, 0.99))}, see *Sleepers*)`,
      kept: median(wake) <= PROMISED.wakeMs,
      why: `the commits of the signal, of the claim and of the wait lie between, three fsyncs; a worker with ${FEW} sleepers takes ${figure(median((woken[0] ?? []).flatMap(({ wakeMs }) => wakeMs)))} ms`,
    },
  ]
  return {
    title: 'Sleepers',
    how:
      'Runs of a workflow that waits for a signal, each brought to its wait by a worker that is then gone. A cold ' +
      `worker has them, idle for two seconds, and is then sent signals for ${woke} of them, one after another: from ` +
      'before `run.signal()` to the first line of the step behind the wait, in the same process, durability full. ' +
      `Beside it a worker with ${FEW} sleepers. ${ofRounds(rounds)}, interleaved.`,
    tables: [
      {
        head: [
          '',
          'B each, file',
          'B each, beyond the journal',
          'MiB, opened',
          'MiB, idle worker',
          'MiB, behind the wakes',
          'idle CPU %',
          'wake p50 ms',
          'p99',
          'worst',
        ],
        rows,
      },
    ],
    verdicts,
    notes: [
      'The journal of a sleeper is its start and the question it waits with; its bytes are the pages of those tables ' +
        'as SQLite counts them. The rest is the row of the run, what it is listed by, claims and indexes.',
      'Each signal was heard once, and its run ended: counted by its result.',
      firstWakes((woken[1] ?? []).map(({ wakeMs }) => wakeMs)),
      ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
    ],
  }
}

/** Each cold process compiles and reads in its first wake what the others find there. */
function firstWakes(rounds: readonly (readonly number[])[]): string {
  const first = rounds.map(([ms = Number.NaN]) => ms)
  const others = rounds.flatMap((wakeMs) => wakeMs.slice(1))
  const isWhy = median(first) > quantile(others, 0.99)
  return (
    `The first wake of each cold process took ${figure(median(first))} ms in the median and ${figure(Math.max(...first))} at worst; of the ` +
    `others one in a hundred took more than ${figure(quantile(others, 0.99))}, and the worst ${figure(Math.max(...others))}.` +
    (isWhy ? ' So the p99 of all is that of first wakes.' : '')
  )
}
