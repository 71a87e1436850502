/** Many runs at once beside one at a time: throughput, how late a timer fires, and how many steps share a sync. */
import type { StepShape } from '../contender.ts'
import { decisions } from '../decision.ts'
import { bothRatios, figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import type { Answer } from '../serve-steps.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'

/** Of one run at a time, and of many at once: as many of both, where the disk lets it be in time. */
const WARM_UP = { quick: { steps: 1_280, ms: 500 }, whole: { steps: 10_240, ms: 4_000 } }
/** So that a block lasts long enough: so many runs one after another, and so many times all at once. */
const BLOCK = {
  quick: { rounds: 5, alone: 10, goes: 2, budgetMs: 2_000 },
  whole: { rounds: 20, alone: 20, goes: 4, budgetMs: 14_000 },
}
const LARGE_BYTES = 8_000
const IDLE_MS = 200
const PROMISED = { speedup: 6, latenessMs: 20 }

export interface Sizes {
  readonly few: number
  readonly many: number
  /** Steps of a run. */
  readonly each: number
}

interface BesideOne {
  readonly tables: readonly Table[]
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
}

/** What one of them does in each round, and what came of it. */
interface Block {
  readonly label: string
  /** Of a round. */
  readonly steps: number
  readonly answers: readonly Answer[]
}

export async function besideOneRun(shape: StepShape, sizes: Sizes, { quick, until }: Options): Promise<BesideOne> {
  const { few, each } = sizes
  const mode = quick ? 'quick' : 'whole'
  const { rounds, alone, goes, budgetMs } = BLOCK[mode]
  const floor = await Session.open('bare-sqlite', 'floor', shape)
  const one = await Session.open('selvage', 'Selvage: 1 run at a time', shape)
  const many = await Session.open('selvage', `Selvage: ${few} runs at once`, shape)
  const large = await Session.open('selvage', `Selvage: 1 run at a time, ${figure(LARGE_BYTES)} B`, {
    ...shape,
    bytes: LARGE_BYTES,
  })
  const work: readonly (readonly [label: string, steps: number, work: () => Promise<Answer>])[] = [
    ['floor: a transaction each', alone * each, () => floor.inOneRun(alone * each)],
    [`floor: ${few} in a transaction`, goes * few * each, () => floor.atOnce(few, each, goes)],
    [one.label, alone * each, () => one.atOnce(1, each, alone)],
    [many.label, goes * few * each, () => many.atOnce(few, each, goes)],
    [large.label, (alone / 2) * each, () => large.atOnce(1, each, alone / 2)],
    ['nothing at all, for comparison', 0, () => floor.idle(IDLE_MS)],
  ]
  for (const [, steps, block] of work) {
    const enough = performance.now() + WARM_UP[mode].ms
    for (let made = 0; steps > 0 && made < WARM_UP[mode].steps && performance.now() < enough; made += steps)
      await block()
  }
  const measured = await interleave(
    work.map(([, , block]) => block),
    { warmUp: 1, rounds, budgetMs, until },
  )
  const blocks = work.map(([label, steps], index): Block => ({ label, steps, answers: measured[index] ?? [] }))
  const [bare, , ofOne, ofMany, ofLarge, idle] = blocks as [Block, Block, Block, Block, Block, Block]
  const groups = await groupCommit(many, quick ? [1, few] : [1, few, sizes.many], each)
  let counted = 0
  for (const session of [floor, one, many, large]) counted += await session.close()
  const longestInsert = Math.max(...bare.answers.flatMap(({ stepMs }) => stepMs))
  const done = bare.answers.length
  return {
    tables: [
      {
        caption:
          `**${few} runs of ${each} steps at once, beside runs of ${each} steps one after another** (${ofRounds(done)}; in each ` +
          `${goes} times ${few} runs, and ${alone} one after another, ${alone / 2} of ${figure(LARGE_BYTES)} B)`,
        head: ['', 'µs a step', 'steps/s', 'p99 ms', 'CPU µs', 'MiB', 'late ms, median round', 'late ms, worst'],
        rows: blocks.map(rowOf),
      },
      ...groups,
    ],
    verdicts: [
      speedup(`${few} runs of ${each} steps at once against such runs one after another`, ofOne, ofMany),
      ...[ofOne, ofMany, ofLarge].map((block) => lateVerdict(block, longestInsert, latenessOf(idle))),
    ],
    notes: [
      `The longest single insert of the floor meanwhile: ${figure(longestInsert)} ms. An fsync blocks the event ` +
        'loop: no timer can be more punctual than the disk. The lateness of a process that does nothing is the ' +
        'machine’s own.',
      `Alone: a block is timed from the first start of a run to the end of its last one, those of ${few} at once as those one ` +
        `after another, each behind ${figure(WARM_UP[mode].steps)} steps to warm up, or as many as it makes in ${WARM_UP[mode].ms / 1_000} s; ` +
        'a bare insert has neither start nor end. ' +
        `${figure(counted)} steps were counted in the files.`,
      ...(groups.length > 0 ? [] : ['Syncs were not counted: strace is not there, or may not look.']),
      ...fewer(done, 'the time of this section was over'),
    ],
  }
}

/** Microseconds a step, of each round. */
function timesOf({ answers, steps }: Block): readonly number[] {
  return answers.map(({ ms }) => (ms * 1_000) / steps)
}

function cpuOf({ answers, steps }: Block): number {
  return median(answers.map(({ cpuMs }) => (cpuMs * 1_000) / steps))
}

/** The worst of each round. Bare inserts are no process that anybody shares. */
function latenessOf({ answers }: Block): readonly number[] {
  return answers.map(({ worstLatenessMs }) => worstLatenessMs)
}

function rowOf(block: Block): readonly string[] {
  const { label, steps, answers } = block
  const late = latenessOf(block)
  const lateness = label.startsWith('floor') ? ['', ''] : [figure(median(late)), figure(Math.max(...late))]
  if (steps === 0) return [label, '', '', '', '', '', ...lateness]
  const times = timesOf(block)
  return [
    label,
    withQuartiles(spread(times)),
    figure(1e6 / median(times)),
    figure(
      quantile(
        answers.flatMap(({ stepMs }) => stepMs),
        0.99,
      ),
    ),
    figure(cpuOf(block)),
    figure(Math.max(...answers.map(({ residentMiB }) => residentMiB))),
    ...lateness,
  ]
}

function speedup(what: string, one: Block, many: Block): Verdict {
  const [alone, together] = [timesOf(one), timesOf(many)]
  return {
    what,
    promised: `≥ ${PROMISED.speedup} × throughput`,
    measured: bothRatios(alone, together),
    kept: median(ratios(alone, together)) >= PROMISED.speedup,
    why:
      `one after another such runs make ${figure(1e6 / median(alone))} steps/s, their starts and ends in the time, and at once ` +
      `${figure(1e6 / median(together))}: a step takes ${figure(median(together))} µs then, and ${figure(cpuOf(many))} of processor, all ` +
      'threads of the process together, its share of the start and the end of its run among them',
  }
}

/** How many steps share a sync, counted by strace. Under strace each call of the kernel stops the process: 512 runs take seconds. */
async function groupCommit(session: Session, sizes: readonly number[], each: number): Promise<Table[]> {
  const rows: string[][] = []
  for (const runs of sizes) {
    const syncs = await countSyncs(session, () => session.atOnce(runs, each))
    if (syncs === undefined) return []
    const steps = runs * each
    rows.push([runs === 1 ? '1 run' : `${runs} runs at once`, figure(steps), figure(syncs), figure(steps / syncs)])
  }
  const caption = `**Group commit**: syncs counted by strace, those of ${each} steps a run with its start and its end`
  return [{ caption, head: ['', 'steps', 'syncs', 'steps a sync'], rows }]
}

function lateVerdict(block: Block, longestInsert: number, idle: readonly number[]): Verdict {
  const late = latenessOf(block)
  const worst = Math.max(...late)
  return {
    what: `2 ms timer beside ${block.label.replace('Selvage: ', '')}`,
    promised: `≤ ${PROMISED.latenessMs} ms late`,
    measured: `${figure(worst)} (median round ${figure(median(late))})`,
    kept: worst <= PROMISED.latenessMs,
    why:
      `the worst of all ticks, where the median round’s worst is ${figure(median(late))} ms: a commit holds the event loop for ` +
      `as long as its fsync takes. A bare insert of 300 B took up to ${figure(longestInsert)} ms meanwhile, and a process that did ` +
      `nothing was up to ${figure(Math.max(...idle))} ms late; ${decisions('a checkpoint added 4 to 5 ms on another day', '0012-what-a-step-costs')}`,
  }
}
