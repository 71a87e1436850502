/** What a durable step costs, beside a bare commit of the same bytes, and beside what else a user might take. */
import type { StepShape } from '../contender.ts'
import type { Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict } from '../report.ts'
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
        'Steps one after another in one run, from the first asked for to the last acknowledged. First in blocks that ' +
        `alternate with blocks of the floor, after ${figure(warmUpSteps(options))} steps to warm up; the ratio is that ` +
        'of two blocks of one round; figures are medians, with quartiles in brackets. Then beside peers, where a step is ' +
        'timed from inside the run, from asked for to acknowledged, for all alike: how often a caller looks for the ' +
        'result is nobody’s cost here.',
      tables: parts.map(({ table }) => table),
      verdicts: parts.flatMap(({ verdicts }) => verdicts),
      plots: parts.flatMap(({ plot }) => plot ?? []),
      notes: [
        ...parts.flatMap(({ notes }) => notes),
        ...left,
        `Counted in the databases afterwards: ${figure(parts.reduce((sum, { counted }) => sum + counted, 0))} steps, ` +
          'each where it belongs.',
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
