/** How soon a run goes on whose process was killed. */
import type { AgentRecovery, Recovery } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import { interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const WHOLE = [500, 1_000, 2_500, 5_000]
const QUICK = [500, 2_500]
const WHOLE_CYCLES = [50, 500, 5_000]
const QUICK_CYCLES = [50, 500]
const PROMISED_MS = 500
const PROMISED_AGENT_MS = 200

export const recovery: Workload = {
  name: 'recovery',
  async measure({ quick }) {
    const { recovery } = contender('selvage')
    if (recovery === undefined) throw new Error('no recovery to measure')
    const agents = await ofAgents(quick)
    const sizes = quick ? QUICK : WHOLE
    const rounds = quick ? 3 : 10
    const folders: string[] = []
    for (const steps of sizes) {
      const folder = scratchFolder()
      await recovery.prepare(folder, steps)
      folders.push(folder)
    }
    const blocks = sizes.map((steps, index) => () => recovery.take(folders[index] ?? '', steps))
    const results = await interleave(blocks, { warmUp: 1, rounds })
    for (const { repeated } of results.flat()) {
      if (repeated > 0) throw new Error(`${repeated} recorded steps ran again`)
    }
    const part = (taken: readonly Recovery[], of: (recovery: Recovery) => number): string =>
      figure(median(taken.map(of)))
    const rows = results.map((taken, index) => [
      `${figure(sizes[index] ?? 0)} steps`,
      part(taken, (r) => r.nodeStarted),
      part(taken, (r) => r.imported - r.nodeStarted),
      part(taken, (r) => r.opened - r.imported),
      part(taken, (r) => r.claimed - r.opened),
      part(taken, (r) => r.loaded - r.claimed),
      part(taken, (r) => r.nextStep - r.loaded),
      withQuartiles(spread(taken.map((r) => r.nextStep - r.imported))),
    ])
    const total = (index: number): number => median((results[index] ?? []).map((r) => r.nextStep - r.imported))
    const last = sizes.length - 1
    const perStep = ((total(last) - total(0)) / ((sizes[last] ?? 0) - (sizes[0] ?? 0))) * 1_000
    return {
      title: 'Recovery',
      how:
        'An agent is killed with SIGKILL in the tool of so many cycles (results of 200 B, durability full). A cold process ' +
        'finds the dead worker, claims the run, loads its journal and folds it into the conversation, and makes the call ' +
        'that was in flight. *Import*: the SDK and all of our modules. Then a workflow of so many steps of 300 B is killed with SIGKILL in the step behind them. A cold process finds ' +
        'the dead worker, claims the run, loads and replays its journal, and begins that step. Milliseconds, medians ' +
        `of ${rounds} interleaved rounds; the last column with quartiles.`,
      tables: [
        agents.table,
        {
          caption: '**Workflows**',
          head: ['', 'Node start', 'import', 'open', 'claim', 'load', 'replay', 'from import to next step'],
          rows,
        },
      ],
      verdicts: [
        ...agents.verdicts,
        {
          what: `next step of a run of ${figure(sizes[last] ?? 0)} steps after kill -9`,
          promised: `≤ ${PROMISED_MS} ms after import`,
          measured: `${figure(total(last))} ms`,
          kept: total(last) <= PROMISED_MS,
        },
      ],
      notes: [
        `Each further step costs ${figure(perStep)} µs; ${figure(total(last) / total(last - 1))} times the time for ` +
          `${figure((sizes[last] ?? 0) / (sizes[last - 1] ?? 1))} times the steps.`,
        'In every round the bodies that ran were counted: no recorded step ran again.',
      ],
    }
  },
}

async function ofAgents(quick: boolean): Promise<{ table: Table; verdicts: Verdict[] }> {
  const { agentRecovery } = contender('selvage')
  if (agentRecovery === undefined) throw new Error('no recovery to measure')
  const sizes = quick ? QUICK_CYCLES : WHOLE_CYCLES
  const rounds = quick ? 3 : 7
  const folders = sizes.map(() => scratchFolder())
  for (const [index, cycles] of sizes.entries()) await agentRecovery.prepare(folders[index] ?? '', cycles)
  const blocks = sizes.map((cycles, index) => () => agentRecovery.take(folders[index] ?? '', cycles))
  const results = await interleave(blocks, { warmUp: 1, rounds })
  const part = (taken: readonly AgentRecovery[], of: (recovery: AgentRecovery) => number): string =>
    figure(median(taken.map(of)))
  const rows = results.map((taken, index) => [
    `${figure(sizes[index] ?? 0)} cycles`,
    part(taken, (r) => r.nodeStarted),
    part(taken, (r) => r.sdkImported - r.nodeStarted),
    part(taken, (r) => r.imported - r.sdkImported),
    part(taken, (r) => r.opened - r.imported),
    part(taken, (r) => r.claimed - r.opened),
    part(taken, (r) => r.loaded - r.claimed),
    part(taken, (r) => r.made - r.loaded),
    part(taken, (r) => r.nextStep - r.made),
    withQuartiles(spread(taken.map((r) => r.nextStep - r.imported))),
    figure(taken.reduce((sum, { repeated }) => sum + repeated, 0)),
  ])
  const last = sizes.at(-1) ?? 0
  const total = spread((results.at(-1) ?? []).map((r) => r.nextStep - r.imported))
  const repeated = results.flat().reduce((sum, each) => sum + each.repeated, 0)
  return {
    table: {
      caption: `**Agents** (${rounds} rounds)`,
      head: [
        '',
        'Node start',
        'SDK import',
        'our import',
        'open',
        'claim',
        'load',
        'replay',
        'fold',
        'from import to next step',
        'calls repeated',
      ],
      rows,
    },
    verdicts: [
      {
        what: `next call of an agent of ${figure(last)} cycles after kill -9`,
        promised: `≤ ${PROMISED_AGENT_MS} ms after import`,
        measured: `${withQuartiles(total)} ms`,
        kept: total.median <= PROMISED_AGENT_MS && repeated === 0,
      },
    ],
  }
}
