/** What a durable step costs, beside a bare commit of the same bytes, and beside what else a user might take. */
import type { StepShape } from '../contender.ts'
import type { Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict } from '../report.ts'
import { TIMED_HOW } from '../timed.ts'
import { type Workload, withShare } from '../workload.ts'
import { besidePeers } from './step-beside.ts'
import { besideFloor, warmUpSteps } from './step-floor.ts'

interface Part {
  readonly table: Table
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
  readonly plot?: Plot
  readonly counted: number
}

export const step: Workload = {
  name: 'step',
  besidePeers: true,
  withServers: true,
  async measure(options) {
    const parts: Part[] = []
    const left: string[] = []
    const section = (): Section => ({
      title: 'A sequential step',
      how:
        'Steps one after another in one run; what is shown is the sum of their times by their number, without the start and the ' +
        'end of the run. First in blocks that ' +
        `alternate with blocks of the floor, after ${figure(warmUpSteps(options))} steps to warm up; the ratio is that ` +
        'of two blocks of one round; figures are medians, with quartiles in brackets. Then beside peers. A step is ' +
        `${TIMED_HOW}. How often a caller looks for the result is nobody’s cost here.`,
      tables: parts.map(({ table }) => table),
      verdicts: parts.flatMap(({ verdicts }) => verdicts),
      plots: parts.flatMap(({ plot }) => plot ?? []),
      notes: [
        ...parts.flatMap(({ notes }) => notes),
        ...left,
        `Counted afterwards: ${figure(parts.reduce((sum, { counted }) => sum + counted, 0))} steps, as many as were asked for. ` +
          'Read from the files of those that have some, without their code (LangGraph’s with it); by SQL in PostgreSQL (the floor, ' +
          'OpenWorkflow) and on Restate; DBOS, and Selvage on servers, were asked through their own API.',
        'Vercel Workflow tells of the end of a run to who looks each second: its last step is taken to last as long as the median ' +
          'of the others.',
        'An effect `once`: its intent is synced before it begins; its result is told to the program once it is written, and is ' +
          'synced together with the next intent, or by itself before anything else begins, waits or ends. So steps `once` in a row ' +
          'take one sync each: [decision 0052](../docs/decisions/0052-an-outcome-waits-for-the-next-intent.md).',
      ],
    })
    const full: StepShape = { durability: 'full', bytes: 300 }
    const plan: readonly (readonly [what: string, measure: () => Promise<Part>])[] = [
      ['300 B beside the floor', () => besideFloor(full, withShare(options, 0.3))],
      ['300 B beside peers', () => besidePeers(full, withShare(options, 0.6))],
      ['8,000 B beside the floor', () => besideFloor({ ...full, bytes: 8_000 }, options)],
      ['8,000 B beside peers', () => besidePeers({ ...full, bytes: 8_000 }, options)],
      ['300 B, durability normal', () => besideFloor({ ...full, durability: 'normal' }, options)],
      ['8,000 B, durability normal', () => besideFloor({ durability: 'normal', bytes: 8_000 }, options)],
    ]
    for (const [what, measure] of plan) {
      if (performance.now() < options.until) parts.push(await measure())
      else left.push(`Left out: ${what}, as the time of this section was over.`)
      options.save(section())
    }
    return section()
  },
}
