/** Our step in blocks that alternate with blocks of bare commits. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Options } from '../workload.ts'

const PROMISED = { step: 1.15, once: 2.4 }
const TRACED_STEPS = 200
const BUDGET_MS = 7_000

/** Until then a good part of the processor is with the compiler. */
export function warmUpSteps({ quick }: Options): number {
  return quick ? 500 : 2_000
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
  for (const session of sessions) await session.inOneRun(warmUpSteps(options))
  const blocks = sessions.map((session) => () => session.inOneRun(steps))
  const answers = await interleave(blocks, { warmUp: 1, rounds: wanted, budgetMs, until })
  const syncs: (number | undefined)[] = []
  for (const session of sessions) syncs.push(await syncsOf(session, shape))
  let counted = 0
  for (const session of sessions) counted += await session.close()

  const times = answers.map((block) => block.map(({ ms }) => (ms * 1_000) / steps))
  const base = times[0] ?? []
  const rows = sessions.map(({ label }, index) => {
    const own = times[index] ?? []
    const single = (answers[index] ?? []).flatMap(({ stepMs }) => stepMs.map((ms) => ms * 1_000))
    const cpu = median((answers[index] ?? []).map(({ cpuMs }) => (cpuMs * 1_000) / steps))
    const counts = syncs[index]
    return [
      label,
      withQuartiles(spread(own)),
      index === 0 ? '1' : withQuartiles(spread(ratios(own, base))),
      ...[0.5, 0.99].map((q) => figure(quantile(single, q))),
      figure(cpu),
      figure(1e6 / median(own)),
      counts === undefined ? 'not counted' : figure(counts / TRACED_STEPS),
    ]
  })
  const settings = ['bare-sqlite', 'selvage'].map((name) => contender(name).durability(durability)).join('; ')
  const verdict = (index: number, promised: number): Verdict => {
    const ratio = spread(ratios(times[index] ?? [], base))
    return {
      what: `${sessions[index]?.label}, ${figure(bytes)} B, ${durability}`,
      promised: `≤ ${promised} × floor`,
      measured: withQuartiles(ratio),
      kept: ratio.median <= promised,
      why: whyOver(median(times[index] ?? []), median(base), promised),
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

/** A durable step without a sync would be an error, not a footnote. */
async function syncsOf(session: Session, { durability }: StepShape): Promise<number | undefined> {
  const syncs = await countSyncs(session, () => session.inOneRun(TRACED_STEPS))
  const isOnce = session.label.includes('once')
  if (durability === 'full' && syncs !== undefined && syncs < TRACED_STEPS * (isOnce ? 2 : 1)) {
    throw new Error(`${session.label}: ${syncs} syncs for ${TRACED_STEPS} steps`)
  }
  return syncs
}

/** The parts are those of the profile, whose floor took 240 µs. */
function whyOver(own: number, floor: number, promised: number): string {
  return (
    `it takes ${figure(own)} µs where the bare commit takes ${figure(floor)}, and ${figure(floor * promised)} would be allowed. ` +
    'Beyond the fsync some 75 µs are ours: the store 17, the core 14, programs and engine 4, promises and the event loop 20, ' +
    'and V8 that finds code and memory cold behind each fsync; the same code takes 30 µs in a loop without one. No single ' +
    `function takes 2 µs. An effect \`once\` is two commits. ${decisions('The profile, before and after', '0012')}`
  )
}
