/** Many runs at once beside one: throughput, how late a timer fires, and how many steps share a sync. */
import type { StepShape } from '../contender.ts'
import { decisions } from '../decision.ts'
import { figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'

const WARM_UP_STEPS = 2_000
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

export async function besideOneRun(shape: StepShape, sizes: Sizes, { quick, until }: Options): Promise<BesideOne> {
  const { few } = sizes
  const [wanted, each, alone] = quick ? [5, 50, 200] : [20, 100, 400]
  const floor = await Session.open('bare-sqlite', 'floor', shape)
  const one = await Session.open('selvage', 'Selvage: 1 run', shape)
  const many = await Session.open('selvage', `Selvage: ${few} runs at once`, shape)
  await one.atOnce(1, quick ? WARM_UP_STEPS / 4 : WARM_UP_STEPS)
  await many.atOnce(few, WARM_UP_STEPS / 20)
  const blocks = [
    () => floor.inOneRun(alone),
    () => floor.atOnce(few, each),
    () => one.atOnce(1, alone),
    () => many.atOnce(few, each),
    () => floor.idle(200),
  ]
  const answers = await interleave(blocks, { warmUp: 1, rounds: wanted, budgetMs: quick ? 2_000 : 14_000, until })
  const groups = await groupCommit(many, quick ? [1, few] : [1, few, sizes.many], sizes.each)
  let counted = 0
  for (const session of [floor, one, many]) counted += await session.close()

  const steps = [alone, few * each, alone, few * each]
  const times = steps.map((size, index) => (answers[index] ?? []).map(({ ms }) => (ms * 1_000) / size))
  const late = answers.map((block) => block.map(({ worstLatenessMs }) => worstLatenessMs))
  const longestInsert = Math.max(...(answers[0] ?? []).flatMap(({ stepMs }) => stepMs))
  const labels = ['floor: a transaction each', `floor: ${few} in a transaction`, one.label, many.label]
  const rows = labels.map((label, index) => {
    const block = answers[index] ?? []
    const single = block.flatMap(({ stepMs }) => stepMs)
    const isOurs = index >= 2
    return [
      label,
      withQuartiles(spread(times[index] ?? [])),
      figure(1e6 / median(times[index] ?? [])),
      figure(quantile(single, 0.99)),
      figure(median(block.map(({ cpuMs }) => (cpuMs * 1_000) / (steps[index] ?? 0)))),
      figure(Math.max(...block.map(({ residentMiB }) => residentMiB))),
      ...(isOurs ? latenessOf(late[index] ?? []) : ['', '']),
    ]
  })
  rows.push(['nothing at all, for comparison', '', '', '', '', '', ...latenessOf(late[4] ?? [])])
  const speedup = spread(ratios(times[2] ?? [], times[3] ?? []))
  const done = answers[0]?.length ?? 0
  return {
    tables: [
      {
        caption: `**${few} runs of ${each} steps beside one run of ${alone}** (${ofRounds(done)})`,
        head: ['', 'µs a step', 'steps/s', 'p99 ms', 'CPU µs', 'MiB', 'late ms, median round', 'late ms, worst'],
        rows,
      },
      ...groups,
    ],
    verdicts: [
      {
        what: `${few} runs at once against one`,
        promised: `≥ ${PROMISED.speedup} × throughput`,
        measured: withQuartiles(speedup),
        kept: speedup.median >= PROMISED.speedup,
        why: `one run of its own makes ${figure(1e6 / median(times[2] ?? []))} steps/s here, and ${few} share the processor that one has`,
      },
      ...[2, 3].map((index) => lateVerdict(labels[index] ?? '', late[index] ?? [], longestInsert, late[4] ?? [])),
    ],
    notes: [
      `The longest single insert of the floor meanwhile: ${figure(longestInsert)} ms. An fsync blocks the event ` +
        'loop: no timer can be more punctual than the disk. The lateness of a process that does nothing is the ' +
        'machine’s own.',
      `Alone, ${figure(counted)} steps were counted in the databases.`,
      ...(groups.length > 0 ? [] : ['Syncs were not counted: strace is not there, or may not look.']),
      ...fewer(done, 'the time of this section was over'),
    ],
  }
}

/** How many steps share a sync, counted by strace. */
/** Under strace each call of the kernel stops the process: 512 runs take seconds. */
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

function latenessOf(values: readonly number[]): [string, string] {
  return [figure(median(values)), figure(Math.max(...values))]
}

function lateVerdict(
  label: string,
  values: readonly number[],
  longestInsert: number,
  idle: readonly number[],
): Verdict {
  const worst = Math.max(...values)
  return {
    what: `2 ms timer beside ${label.replace('Selvage: ', '')}`,
    promised: `≤ ${PROMISED.latenessMs} ms late`,
    measured: `${figure(worst)} (median round ${figure(median(values))})`,
    kept: worst <= PROMISED.latenessMs,
    why:
      `the worst of all ticks, where the median round’s worst is ${figure(median(values))} ms: a commit holds the event loop for ` +
      `as long as its fsync takes. A bare insert took up to ${figure(longestInsert)} ms meanwhile, and a process that did ` +
      `nothing was up to ${figure(Math.max(...idle))} ms late; ${decisions('a checkpoint adds 4 to 5 ms', '0012-what-a-step-costs')}`,
  }
}
