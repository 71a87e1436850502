/** Many runs at once: what group commit gives, whether the event loop lives beside it, and what peers make of it. */
import type { StepShape } from '../contender.ts'
import { Field } from '../field.ts'
import { figure, type Section } from '../report.ts'
import { type Workload, withShare } from '../workload.ts'
import { FIELD, type LoadBeside, loadBeside } from './load-beside.ts'
import { besideOneRun } from './load-one.ts'

const SHAPE: StepShape = { durability: 'full', bytes: 300 }
const RUNS = 64
const MANY = 512
const EACH = 20
/** Their sessions, or their first rounds, take long. */
const SLOW = ['vercel-workflow', 'selvage-dbos', 'selvage-restate']

export const load: Workload = {
  name: 'load',
  besidePeers: true,
  async measure(options) {
    const own = await besideOneRun(SHAPE, { few: RUNS, many: MANY, each: EACH }, withShare(options, 0.3))
    const parts: LoadBeside[] = []
    const notes = [...own.notes]
    const section = (): Section => ({
      title: 'Many runs at once',
      how:
        `${RUNS} and ${MANY} runs at once of ${EACH} steps of 300 B, from the first start to the last step, durability ` +
        'full. First Selvage alone, beside one run and the floor; then beside peers, where a step is timed from asked ' +
        'for to acknowledged. *CPU* and *memory* are those of the process that runs the steps; servers have more. A 2 ms ' +
        'timer ticks in that process meanwhile: how late it fires at worst says whether tokens and heartbeats flow.',
      tables: [...own.tables, ...parts.map(({ table }) => table)],
      verdicts: own.verdicts,
      plots: parts.map(({ plot }) => plot),
      notes: [...notes, ...parts.flatMap((part) => part.notes)],
    })
    options.save(section())
    const names = FIELD.filter((name) => options.takesPart(name) && !(options.quick && SLOW.includes(name)))
    const field = await Field.open(names, SHAPE, options.until)
    await field.warmUp((session) => session.atOnce(RUNS, 4), 3, options.quick ? 500 : 1_500)
    for (const runs of options.quick ? [RUNS] : [RUNS, MANY]) {
      parts.push(await loadBeside(field, runs, EACH, options))
      options.save(section())
    }
    if (options.quick) notes.push(`Left out (quick): ${MANY} runs beside peers, and those who are slow.`)
    notes.push(...field.absences)
    notes.push(`Beside peers, ${figure(await field.close())} steps were counted in what all have recorded.`)
    return section()
  },
}
