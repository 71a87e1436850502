/** A table with very many runs: what it costs to list them by each filter, and to start one more. */
import type { ManyLooked } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, ofRounds, type Section, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, quantile, spread } from '../statistics.ts'
import type { Options, Workload } from '../workload.ts'

const MADE = 10_000
const WHOLE = 1_000_000
const QUICK = 10_000
const MADE_QUICKLY = 1_000
const PROMISED_MS = 50

export const many: Workload = {
  name: 'many',
  async prepare({ quick }) {
    const { many } = contender('selvage')
    if (many === undefined) throw new Error('no table of runs to measure')
    const count = quick ? QUICK : WHOLE
    const made = quick ? MADE_QUICKLY : MADE
    const [small, large] = [scratchFolder(), scratchFolder()]
    await Promise.all([many.make(small, made, made), many.make(large, made, count)])
    const blocks = [() => many.look(small), () => many.look(large)]
    return (options) => lookAt(blocks, made, count, options)
  },
}

async function lookAt(
  blocks: readonly (() => Promise<ManyLooked>)[],
  made: number,
  count: number,
  { quick, until }: Options,
): Promise<Section> {
  const answers = await interleave(blocks, { warmUp: 0, rounds: quick ? 1 : 5, until })
  const rounds = answers[0]?.length ?? 0
  const looks = (index: number, filter: string): number[] =>
    (answers[index] ?? []).flatMap(({ lists }) =>
      lists.filter((list) => list.filter === filter).flatMap(({ ms }) => ms),
    )
  const lists = answers[1]?.[0]?.lists ?? []
  const rows = lists.map(({ filter, found }) => [
    filter,
    figure(found),
    figure(median(looks(0, filter))),
    withQuartiles(spread(looks(1, filter))),
    figure(Math.max(...looks(1, filter))),
  ])
  const slowest = lists.map(({ filter }) => ({ filter, ms: median(looks(1, filter)) })).sort((a, b) => b.ms - a.ms)[0]
  const verdict: Verdict = {
    what: `a page of ${figure(count)} runs by any filter`,
    promised: `≤ ${PROMISED_MS} ms`,
    measured: `${figure(slowest?.ms ?? Number.NaN)} ms, ${slowest?.filter}`,
    kept: (slowest?.ms ?? Number.NaN) <= PROMISED_MS,
    why: 'two filters together look through the shorter of two indexes (stores/sqlite/src/which-index.ts)',
  }
  const starts = answers.map((block) => block.flatMap(({ startMs }) => startMs))
  return {
    title: `${figure(count)} runs in the table`,
    how:
      `${figure(made)} runs were made by the engine, of two programs, for a hundred tenants, with a tag of their own, and ` +
      `came to their ends or waits; the others are copies of their rows, made by SQL. A cold process asks for pages of 50 ` +
      `by each filter, 20 times each; then it starts 200 runs, durability full. ${ofRounds(rounds)}, interleaved.`,
    tables: [
      {
        head: ['filter', 'found', `ms, ${figure(made)} runs`, `ms, ${figure(count)} runs`, 'worst'],
        rows,
      },
      {
        head: ['start of one more', 'p50 ms', 'p99 ms'],
        rows: starts.map((ms, index) => [
          `${figure(index === 0 ? made : count)} runs`,
          figure(median(ms)),
          figure(quantile(ms, 0.99)),
        ]),
      },
    ],
    verdicts: [verdict],
    notes: [
      '“None”: nothing matches, so that a list which looks through what does not match would show it.',
      ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
    ],
  }
}
