/** What a durable step costs, beside a bare commit of the same bytes. */
import type { Durability } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import type { Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { Session } from '../session.ts'
import { median, quantile, ratios, spread } from '../statistics.ts'
import { countSyncs } from '../syncs.ts'
import type { Workload } from '../workload.ts'
import { besidePeers } from './step-beside.ts'

const PROMISED_STEP = 1.15
const PROMISED_ONCE = 2.4
/** Until then a good part of the processor is with the compiler. */
const WARM_UP_STEPS = 2_000

export const step: Workload = {
  name: 'step',
  async measure(options) {
    const { quick } = options
    const rounds = quick ? 10 : 60
    const tables: Table[] = []
    const verdicts: Verdict[] = []
    const notes: string[] = []
    const plots: Plot[] = []
    const sizes = quick ? [300] : [300, 8_000]
    let counted = 0
    const section = (): Section => ({
      title: 'A sequential step',
      how:
        'Steps one after another in one run, from the first asked for to the last acknowledged, in blocks that ' +
        `alternate with blocks of the floor (${rounds} rounds, after ${figure(WARM_UP_STEPS)} steps to warm up). ` +
        'The ratio is that of two blocks of one round; figures are medians, with quartiles in brackets.',
      tables: [...tables],
      verdicts: [...verdicts],
      plots: [...plots],
      notes: [
        ...notes,
        'Beside peers a step is timed from inside the run, from asked for to acknowledged, for all alike: how often a ' +
          'caller looks for the result is nobody’s cost here.',
        `Counted in the databases afterwards: ${figure(counted)} steps, each where it belongs.`,
      ],
    })
    for (const durability of ['full', 'normal'] as const) {
      for (const bytes of sizes) {
        const part = await compare(durability, bytes, rounds, quick)
        tables.push(part.table)
        verdicts.push(...part.verdicts)
        counted += part.counted
        options.save(section())
      }
    }
    for (const bytes of sizes) {
      if (performance.now() > options.until) {
        notes.push(`Beside peers, ${figure(bytes)} B: left out, as the time was over.`)
        continue
      }
      const part = await besidePeers({ durability: 'full', bytes }, options)
      tables.push(part.table)
      verdicts.push(...part.verdicts)
      notes.push(...part.notes)
      plots.push(part.plot)
      counted += part.counted
      options.save(section())
    }
    notes.push(await syncsNote())
    return section()
  },
}

const TRACED_STEPS = 200

async function syncsNote(): Promise<string> {
  const counts: string[] = []
  for (const [label, name, once] of [
    ['floor', 'bare-sqlite', false],
    ['step', 'selvage', false],
    ["step 'once'", 'selvage', true],
  ] as const) {
    const full = await countSyncs(name, { durability: 'full', bytes: 300, once }, TRACED_STEPS)
    const normal = await countSyncs(name, { durability: 'normal', bytes: 300, once }, TRACED_STEPS)
    if (full === undefined || normal === undefined) return 'Syncs were not counted: there is no strace on this machine.'
    if (full < TRACED_STEPS * (once ? 2 : 1)) throw new Error(`${label}: ${full} syncs for ${TRACED_STEPS} steps`)
    counts.push(`${label} ${full} (normal: ${normal})`)
  }
  const counted = counts.join(', ')
  return `Syncs counted by strace during a run of ${TRACED_STEPS} steps, its start and end included: ${counted}.`
}

async function compare(
  durability: Durability,
  bytes: number,
  rounds: number,
  quick: boolean,
): Promise<{ table: Table; verdicts: Verdict[]; counted: number }> {
  const steps = quick ? 50 : 100
  const floor = await Session.open('bare-sqlite', 'floor', { durability, bytes })
  const plain = await Session.open('selvage', 'Selvage: step', { durability, bytes })
  const once = await Session.open('selvage', "Selvage: step, effect 'once'", { durability, bytes, once: true })
  const sessions = [floor, plain, once]
  for (const session of sessions) await session.inOneRun(quick ? WARM_UP_STEPS / 4 : WARM_UP_STEPS)
  const blocks = sessions.map((session) => () => session.inOneRun(steps))
  const answers = await interleave(blocks, { warmUp: 1, rounds, budgetMs: 10_000 })
  const times = answers.map((block) => block.map(({ ms }) => (ms * 1_000) / steps))
  const cpu = answers.map((block) => median(block.map(({ cpuMs }) => (cpuMs * 1_000) / steps)))
  const single = answers.map((block) => block.flatMap(({ stepMs }) => stepMs.map((ms) => ms * 1_000)))
  const base = times[0] ?? []
  let counted = 0
  for (const session of sessions) counted += await session.close()

  const rows = sessions.map((session, index) => {
    const own = times[index] ?? []
    const ratio = index === 0 ? '1' : withQuartiles(spread(ratios(own, base)))
    return [
      session.label,
      withQuartiles(spread(own)),
      ratio,
      figure(quantile(single[index] ?? [], 0.99)),
      figure(cpu[index] ?? 0),
      figure(1e6 / median(own)),
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
    }
  }
  return {
    table: {
      caption: `**${figure(bytes)} B, durability ${durability}** (${settings})`,
      head: ['', 'µs a step', '× floor', 'p99 µs', 'CPU µs', 'steps/s'],
      rows,
    },
    verdicts: durability === 'full' ? [verdict(1, PROMISED_STEP), verdict(2, PROMISED_ONCE)] : [],
    counted,
  }
}
