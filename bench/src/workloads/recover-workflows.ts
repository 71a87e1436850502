/** A workflow of many steps, killed behind them. */
import type { Recovery } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { figure, ofRounds, type Section, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, spread } from '../statistics.ts'
import type { Options, Setting } from '../workload.ts'

const SIZES = { quick: [500, 2_500], whole: [500, 2_500, 5_000] }
const ROUNDS = { quick: 2, whole: 7 }
const PROMISED_MS = 500

/** Killed there, and ready to be taken up. */
export interface KilledWorkflow {
  readonly steps: number
  readonly take: () => Promise<Recovery>
}

export async function killWorkflows({ quick }: Setting): Promise<readonly KilledWorkflow[]> {
  const { recovery } = contender('selvage')
  if (recovery === undefined) throw new Error('no recovery to measure')
  const kill = async (steps: number): Promise<KilledWorkflow> => {
    const folder = scratchFolder()
    await recovery.prepare(folder, steps)
    return { steps, take: () => recovery.take(folder, steps) }
  }
  return Promise.all(SIZES[quick ? 'quick' : 'whole'].map(kill))
}

export async function recoverWorkflows(
  killed: readonly KilledWorkflow[],
  { quick, until }: Options,
): Promise<Pick<Section, 'tables' | 'verdicts' | 'notes'>> {
  const rounds = ROUNDS[quick ? 'quick' : 'whole']
  const sizes = killed.map(({ steps }) => steps)
  const results = await interleave(
    killed.map(({ take }) => take),
    { warmUp: 1, rounds, until },
  )
  for (const { repeated } of results.flat()) {
    if (repeated > 0) throw new Error(`${repeated} recorded steps ran again`)
  }
  const part = (taken: readonly Recovery[], of: (recovery: Recovery) => number): string => figure(median(taken.map(of)))
  const rows = results.map((taken, index) => [
    `${figure(sizes[index] ?? 0)} steps`,
    part(taken, (r) => r.nodeStarted),
    part(taken, (r) => r.imported - r.nodeStarted),
    part(taken, (r) => r.opened - r.imported),
    part(taken, (r) => r.claimed - r.opened),
    part(taken, (r) => r.loaded - r.claimed),
    part(taken, (r) => r.nextStep - r.loaded),
    withQuartiles(spread(taken.map((r) => r.nextStep - r.imported))),
    withQuartiles(spread(taken.map((r) => r.nextStep))),
    figure(taken.reduce((sum, { repeated }) => sum + repeated, 0)),
  ])
  const total = (index: number): number => median((results[index] ?? []).map((r) => r.nextStep - r.imported))
  const last = sizes.length - 1
  const steps = (index: number): number => sizes[index] ?? 0
  const perStep = ((total(last) - total(0)) / (steps(last) - steps(0))) * 1_000
  const done = results[0]?.length ?? 0
  return {
    tables: [
      {
        caption: `**Workflows** (${ofRounds(done)})`,
        head: [
          ...['', 'Node start', 'import', 'open', 'claim', 'load', 'replay'],
          ...['from import to next step', 'from process start to next step', 'steps repeated'],
        ],
        rows,
      },
    ],
    verdicts: [
      {
        what: `next step of a run of ${figure(steps(last))} steps after kill -9`,
        promised: `≤ ${PROMISED_MS} ms after import`,
        measured: `${figure(total(last))} ms`,
        kept: total(last) <= PROMISED_MS,
        why:
          `${part(results[last] ?? [], (r) => r.loaded - r.claimed)} ms are the journal, read and decoded, ` +
          `${part(results[last] ?? [], (r) => r.nextStep - r.loaded)} its replay, and ` +
          `${part(results[last] ?? [], (r) => r.claimed - r.imported)} opening and claiming${decisions('. What was mended', '0047-what-a-cold-resume-reads-once')}`,
      },
    ],
    notes: [
      `Workflows: each further step costs ${figure(perStep)} µs; ${figure(total(last) / total(last - 1))} times the time for ` +
        `${figure(steps(last) / steps(last - 1))} times the steps. In every round the bodies that ran were counted: no ` +
        'recorded step ran again.',
      'Workflows of peers are not killed here. What they would show is how long each lets pass before it takes a worker for dead, by ' +
        'default or as it is set: seconds to minutes, and no figure of how a run is taken up.',
      ...fewer(done, `workflows, ${quick ? 'quick' : 'the time of this section was over'}`),
    ],
  }
}
