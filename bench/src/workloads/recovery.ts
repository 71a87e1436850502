/** How soon a run goes on whose process was killed. */
import type { Recovery } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const SIZES = [500, 1_000, 2_500, 5_000]
const PROMISED_MS = 500

export const recovery: Workload = {
  name: 'recovery',
  async measure({ quick }) {
    const { recovery } = contender('selvage')
    if (recovery === undefined) throw new Error('no recovery to measure')
    const rounds = quick ? 5 : 15
    const folders: string[] = []
    for (const steps of SIZES) {
      const folder = scratchFolder()
      await recovery.prepare(folder, steps)
      folders.push(folder)
    }
    const blocks = SIZES.map((steps, index) => () => recovery.take(folders[index] ?? '', steps))
    const results = await interleave(blocks, { warmUp: 1, rounds })
    for (const { repeated } of results.flat()) {
      if (repeated > 0) throw new Error(`${repeated} recorded steps ran again`)
    }
    const part = (taken: readonly Recovery[], of: (recovery: Recovery) => number): string =>
      figure(median(taken.map(of)))
    const rows = results.map((taken, index) => [
      `${figure(SIZES[index] ?? 0)} steps`,
      part(taken, (r) => r.nodeStarted),
      part(taken, (r) => r.imported - r.nodeStarted),
      part(taken, (r) => r.opened - r.imported),
      part(taken, (r) => r.claimed - r.opened),
      part(taken, (r) => r.loaded - r.claimed),
      part(taken, (r) => r.nextStep - r.loaded),
      withQuartiles(spread(taken.map((r) => r.nextStep - r.imported))),
    ])
    const total = (index: number): number => median((results[index] ?? []).map((r) => r.nextStep - r.imported))
    const last = SIZES.length - 1
    const perStep = ((total(last) - total(0)) / ((SIZES[last] ?? 0) - (SIZES[0] ?? 0))) * 1_000
    return {
      title: 'Recovery',
      how:
        'A workflow of so many steps of 300 B is killed with SIGKILL in the step behind them. A cold process finds ' +
        'the dead worker, claims the run, loads and replays its journal, and begins that step. Milliseconds, medians ' +
        `of ${rounds} interleaved rounds; the last column with quartiles.`,
      tables: [
        {
          head: ['', 'Node start', 'import', 'open', 'claim', 'load', 'replay', 'from import to next step'],
          rows,
        },
      ],
      verdicts: [
        {
          what: `next step of a run of ${figure(SIZES[last] ?? 0)} steps after kill -9`,
          promised: `≤ ${PROMISED_MS} ms after import`,
          measured: `${figure(total(last))} ms`,
          kept: total(last) <= PROMISED_MS,
        },
      ],
      notes: [
        `Each further step costs ${figure(perStep)} µs; ${figure(total(last) / total(last - 1))} times the time for ` +
          `${figure((SIZES[last] ?? 0) / (SIZES[last - 1] ?? 1))} times the steps.`,
        'In every round the bodies that ran were counted: no recorded step ran again.',
      ],
    }
  },
}
