/** Many runs at once: what group commit gives, whether the event loop lives beside it, and what peers make of it. */
import type { StepShape } from '../contender.ts'
import { Field } from '../field.ts'
import { figure, type Section } from '../report.ts'
import { TIMED_HOW } from '../timed.ts'
import { type Workload, withShare } from '../workload.ts'
import { FIELD, type LoadBeside, loadBeside, type Rates } from './load-beside.ts'
import { besideOneRun } from './load-one.ts'

const SHAPE: StepShape = { durability: 'full', bytes: 300 }
/** Runs at once, and the fewest steps that a run is worth starting for. */
const FEW = { runs: 64, least: 2 }
const MANY = { runs: 512, least: 2 }
const EACH = 20
const WARM_UP_STEPS = 4
/** Their sessions, or their first rounds, take long. */
const SLOW = ['vercel-workflow', 'selvage-dbos', 'selvage-restate']

export const load: Workload = {
  name: 'load',
  besidePeers: true,
  withServers: true,
  async measure(options) {
    const own = await besideOneRun(SHAPE, { few: FEW.runs, many: MANY.runs, each: EACH }, withShare(options, 0.3))
    const parts: LoadBeside[] = []
    const notes = [...own.notes]
    const section = (): Section => ({
      title: 'Many runs at once',
      how:
        `${FEW.runs} and ${MANY.runs} runs at once, of steps of 300 B, durability full. First Selvage alone: ${FEW.runs} runs of ` +
        `${EACH} steps, beside such runs one after another, from the first start to the end of the last, and beside the floor. Then ` +
        'beside peers, from the first start to the last step: runs have as many steps as the column *steps a run* says, and ' +
        'each peer is compared with runs of ours that have as many. *p50* and *p99* are of single steps, ' +
        `${TIMED_HOW}. *CPU* and *memory* are those of the process that runs the steps; servers have more. A 2 ms timer ` +
        'ticks in that process meanwhile: how late it fires at worst says whether tokens and heartbeats flow.',
      tables: [...own.tables, ...parts.map(({ table }) => table)],
      verdicts: own.verdicts,
      plots: parts.map(({ plot }) => plot),
      notes: [...notes, ...parts.flatMap((part) => part.notes)],
    })
    options.save(section())
    const names = FIELD.filter((name) => options.takesPart(name) && !(options.quick && SLOW.includes(name)))
    const field = await Field.open(names, SHAPE, options.until)
    const warm = await field.warmUp(
      (session) => session.atOnce(FEW.runs, WARM_UP_STEPS),
      3,
      options.quick ? 500 : 1_500,
    )
    let rates: Rates = new Map([...warm].map(([name, { ms }]) => [name, (FEW.runs * WARM_UP_STEPS * 1_000) / ms]))
    for (const size of options.quick ? [FEW] : [FEW, MANY]) {
      parts.push(await loadBeside(field, size, rates, options))
      rates = parts.at(-1)?.rates ?? rates
      options.save(section())
    }
    if (options.quick)
      notes.push(`Left out (quick): those who are slow beside peers, and ${MANY.runs} runs beside peers.`)
    notes.push(...field.absences)
    notes.push(
      `Beside peers, ${figure(await field.close())} steps were counted in what all have recorded, as they were one after another.`,
    )
    return section()
  },
}
