/** Our step in blocks that alternate with blocks of bare commits. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { bothRatios, figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'

const PROMISED = { step: 1.15, once: 2.4 }
const TRACED_STEPS = 200
const BEHIND_STEP = 'the floor’s commit alone, behind a step in memory'
const BUDGET_MS = 7_000
/** Microseconds beyond the floor, by the bytes of a step, on another day: the table of decision 0012. */
const PROFILED: ReadonlyMap<number, { readonly beyond: number; readonly parts: string }> = new Map([
  [
    300,
    {
      beyond: 56,
      parts:
        'the statement 30 (its sync behind other code, fourteen values and the check of the fence, where the floor has one value), Node’s own ' +
        'JavaScript, turns of the event loop and collections of garbage 15, core 5, the store 4, programs and engine 2',
    },
  ],
  [
    8_000,
    {
      beyond: 57,
      parts:
        'the statement 21, Node’s own JavaScript, turns of the event loop and collections of garbage 27, core 4, the store 3 beside a JSON ' +
        'text that takes as long as the floor’s, programs and engine 2',
    },
  ],
])

/**
 * Until then V8 goes on compiling what a step runs through, ever better: by the processor time of a step on a store in memory, which
 * is 100 µs at first, 20 after 5,000 steps and 10 from 25,000 on. The floor has little to compile, and as many.
 */
export function warmUpSteps({ quick }: Options): number {
  return quick ? 1_200 : 25_000
}

interface BesideFloor {
  readonly table: Table
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
  readonly counted: number
}

export async function besideFloor(shape: StepShape, options: Options): Promise<BesideFloor> {
  const { durability, bytes } = shape
  const { quick, until } = options
  const [wanted, steps] = quick ? [10, 50] : [60, 100]
  const budgetMs = quick ? 1_000 : BUDGET_MS
  const sessions = [
    await Session.open('bare-sqlite', 'floor', shape),
    await Session.open('selvage', 'Selvage: step', shape),
    await Session.open('selvage', "Selvage: step, effect 'once'", { ...shape, once: true }),
  ]
  if (!quick) sessions.push(await Session.open('commit-behind-step', BEHIND_STEP, shape))
  for (const session of sessions) await session.inOneRun(warmUpSteps(options))
  const blocks = sessions.map((session) => () => session.inOneRun(steps))
  const answers = await interleave(blocks, { warmUp: 1, rounds: wanted, budgetMs, until })
  const syncs: (number | undefined)[] = []
  for (const session of sessions) syncs.push(await syncsOf(session, shape))
  let counted = 0
  for (const session of sessions) counted += await session.close()

  const times = answers.map((block) => block.map(({ ms }) => (ms * 1_000) / steps))
  const base = times[0] ?? []
  const cpus = answers.map((block) => median(block.map(({ cpuMs }) => (cpuMs * 1_000) / steps)))
  const rows = sessions.map(({ label }, index) => {
    const own = times[index] ?? []
    const single = (answers[index] ?? []).flatMap(({ stepMs }) => stepMs.map((ms) => ms * 1_000))
    const counts = syncs[index]
    return [
      label,
      withQuartiles(spread(own)),
      index === 0 ? '1' : withQuartiles(spread(ratios(own, base))),
      ...[0.5, 0.99].map((q) => figure(quantile(single, q))),
      figure(cpus[index] ?? Number.NaN),
      figure(1e6 / median(own)),
      counts === undefined ? 'not counted' : figure(counts / TRACED_STEPS),
    ]
  })
  const settings = ['bare-sqlite', 'selvage'].map((name) => contender(name).durability(durability)).join('; ')
  const verdict = (index: number, promised: number): Verdict => {
    const own = times[index] ?? []
    return {
      what: `${sessions[index]?.label}, ${figure(bytes)} B, ${durability}`,
      promised: `≤ ${promised} × floor`,
      measured: bothRatios(own, base),
      kept: median(ratios(own, base)) <= promised,
      why: whyOver({
        own: median(own),
        floor: median(base),
        behindStep: quick ? undefined : median(times[3] ?? []),
        cpu: (cpus[index] ?? 0) - (cpus[0] ?? 0),
        isOnce: index === 2,
        ...{ bytes, promised },
      }),
    }
  }
  return {
    table: {
      caption:
        `**${figure(bytes)} B, durability ${durability}** (${ofRounds(base.length)} of ${steps} steps; ` +
        `${settings})`,
      head: ['', 'µs a step', '× floor', 'p50 µs', 'p99 µs', 'CPU µs', 'steps/s', 'syncs a step'],
      rows,
    },
    verdicts: durability === 'full' ? [verdict(1, PROMISED.step), verdict(2, PROMISED.once)] : [],
    notes: [
      `Syncs a step are counted by strace during a run of ${TRACED_STEPS} steps, its start and end included.`,
      ...fewer(base.length, `${figure(bytes)} B, durability ${durability}: the time of this section was over`),
    ],
    counted,
  }
}

/** A durable step without a sync would be an error, not a footnote. Of an effect `once` it is that of its intent (decision 0052). */
async function syncsOf(session: Session, { durability }: StepShape): Promise<number | undefined> {
  const syncs = await countSyncs(session, () => session.inOneRun(TRACED_STEPS))
  if (durability === 'full' && syncs !== undefined && syncs < TRACED_STEPS) {
    throw new Error(`${session.label}: ${syncs} syncs for ${TRACED_STEPS} steps`)
  }
  return syncs
}

interface Over {
  readonly own: number
  readonly floor: number
  /** The floor's commit, in a program that does something between two of them; a quick run has no time for it. */
  readonly behindStep: number | undefined
  /** Of the process, beyond the floor's. */
  readonly cpu: number
  readonly isOnce: boolean
  readonly bytes: number
  readonly promised: number
}

/** Microseconds. What this run has measured, and what was profiled on another day. */
function whyOver({ own, floor, behindStep, cpu, isOnce, bytes, promised }: Over): string {
  const beyond = own - floor
  const profile = isOnce ? undefined : PROFILED.get(bytes)
  const explained =
    profile === undefined
      ? `a step of ${figure(bytes)} B${isOnce ? ' with its intent' : ''} has no profile of its own, so what is beyond is not explained`
      : `a profile of ${figure(bytes)} B found, on another day and a quiet machine, ${profile.beyond}: ${profile.parts}`
  const dearer =
    behindStep === undefined
      ? ''
      : `The same bare commit takes ${figure(behindStep)} where each comes behind a step in memory: a commit behind other code is dearer. ` +
        `${own - behindStep < 1 ? 'Nothing that this run could tell apart remains' : `${figure(own - behindStep)} remain`} for our own ` +
        'commit and the code around it. '
  return (
    `in this run it takes ${figure(own)} µs, ${figure(beyond)} more than the bare commit at ${figure(floor)}; ${figure(floor * promised)} would be ` +
    `allowed. ${dearer}Its process takes ${figure(cpu)} µs of processor more than the floor’s, all threads together. Of what is beyond the floor ` +
    `${explained}. ${decisions('The profile', '0012-what-a-step-costs')}`
  )
}
