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
const NOTHING_IN_COMMON = 'tenant and status failed (none)'

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
  const [small = [], large = []] = answers
  const rounds = large.length
  const looks = large[0]?.lists.map(({ filter }) => looksBy(filter, large)) ?? []
  const rows = looks.map(({ filter, found, first, others }) => [
    filter,
    figure(found),
    figure(median(allOf(looksBy(filter, small)))),
    withQuartiles(spread([...first, ...others])),
    figure(median(first)),
    figure(Math.max(...first)),
    figure(Math.max(...others)),
  ])
  const starts = answers.map((block) => block.flatMap(({ startMs }) => startMs))
  return {
    title: `${figure(count)} runs in the table`,
    how:
      `${figure(made)} runs were made by the engine, of two programs, for a hundred tenants, with a tag of their own and one that half ` +
      'of all have, and came to their ends or waits; the others are copies of their rows, made by SQL. A cold process asks for pages ' +
      'of 50 by each filter, 20 times each; then it starts 200 runs, durability full, which another process ends before the ' +
      `next round. ${ofRounds(rounds)}, interleaved. *First*: the first look by that filter in each process; *others*: the 19 behind it.`,
    tables: [
      {
        head: [
          ...['filter', 'found', `ms, ${figure(made)} runs`, `ms, ${figure(count)} runs`],
          ...['first, median', 'first, worst', 'others, worst'],
        ],
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
    verdicts: [pageVerdict(looks, count)],
    notes: [
      '“None”: nothing matches, so that a list which looks through what does not match would show it. In every round each filter ' +
        'found as many.',
      firstLooks(looks),
      ...longFilters(looks),
      ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
    ],
  }
}

/** What all rounds have taken by one filter. */
interface Looks {
  readonly filter: string
  readonly found: number
  /** In the order of the rounds. */
  readonly first: readonly number[]
  readonly others: readonly number[]
}

/** Throws where rounds do not find the same. */
function looksBy(filter: string, rounds: readonly ManyLooked[]): Looks {
  const all = rounds.map(({ lists }) => lists.find((list) => list.filter === filter) ?? { filter, ms: [], found: -1 })
  const found = new Set(all.map((list) => list.found))
  if (filter.includes('(none)')) found.add(0)
  if (found.size !== 1) throw new Error(`"${filter}" found ${[...found].join(' and ')} runs`)
  return {
    filter,
    found: [...found][0] ?? 0,
    first: all.map(({ ms: [first = Number.NaN] }) => first),
    others: all.flatMap(({ ms }) => ms.slice(1)),
  }
}

function allOf({ first, others }: Looks): readonly number[] {
  return [...first, ...others]
}

function pageVerdict(looks: readonly Looks[], count: number): Verdict {
  const slowest = mostBy(looks, (each) => median(allOf(each)))
  const worst = mostBy(looks, (each) => Math.max(...allOf(each)))
  return {
    what: `a page of ${figure(count)} runs by any filter, median`,
    promised: `≤ ${PROMISED_MS} ms`,
    measured: `${figure(slowest.ms)} ms, ${slowest.filter}; the worst of all looks ${figure(worst.ms)}, ${worst.filter}`,
    kept: slowest.ms <= PROMISED_MS,
    why: 'two filters together look through the shorter of two indexes (stores/sqlite/src/runs/which-index.ts)',
  }
}

function mostBy(
  looks: readonly Looks[],
  of: (each: Looks) => number,
): { readonly filter: string; readonly ms: number } {
  const all = looks.map((each) => ({ filter: each.filter, ms: of(each) })).sort((a, b) => b.ms - a.ms)
  return all[0] ?? { filter: '–', ms: Number.NaN }
}

/** What the worst looks are: those of a process that has read nothing yet, of a file that nobody has read for minutes. */
function firstLooks(looks: readonly Looks[]): string {
  const worst = (of: (each: Looks) => readonly number[]): string => figure(Math.max(...looks.flatMap(of)))
  const rounds = looks[0]?.first.length ?? 0
  const isFirst = looks.filter(({ first, others }) => Math.max(...first) > Math.max(...others)).length
  return (
    `The worst look is the first one by ${isFirst} of ${looks.length} filters. First looks took up to ${worst(({ first }) => first.slice(0, 1))} ms ` +
    `in the first round${rounds < 2 ? '' : `, and up to ${worst(({ first }) => first.slice(1))} in those behind it`}; all others up to ` +
    `${worst(({ others }) => others)}. ` +
    'A process begins with an empty cache of SQLite’s and reads each page that it needs from the file. Tried apart from this run, on a busy ' +
    `machine: the first look by "${NOTHING_IN_COMMON}" took 90 ms where the system had the file in its memory, and 620 and 2,170 behind it was ` +
    'dropped from there, as the row of each of 10,000 runs then comes from the disk.'
  )
}

/** What these filters do not ask for, and what one of them says of it. */
function longFilters(looks: readonly Looks[]): readonly string[] {
  const found = looks.find(({ filter }) => filter === NOTHING_IN_COMMON)
  if (found === undefined) return []
  return [
    `Where two filters have nothing in common the shorter index is looked through, run by run: "${found.filter}" takes ` +
      `${figure(median(allOf(found)))} ms for the runs of one tenant in a hundred. Two filters that lead to ten times as many runs each, and ` +
      'have none in common, are not among these and would take about ten times as long.',
  ]
}
