/** How soon a run goes on whose process was killed. */
import type { Section } from '../report.ts'
import type { Workload } from '../workload.ts'
import { recoverAgents } from './recover-agents.ts'
import { recoverWorkflows } from './recover-workflows.ts'

export const recovery: Workload = {
  name: 'recovery',
  besidePeers: true,
  async measure(options) {
    const parts: Pick<Section, 'tables' | 'verdicts' | 'notes'>[] = []
    const section = (): Section => ({
      title: 'Recovery',
      how:
        'An agent is killed with SIGKILL in the tool of so many cycles (results of 200 B, durability full). A cold process ' +
        'finds the dead worker, claims the run, loads its journal and folds it into the conversation, and makes the call ' +
        'that was in flight. Then a workflow of so many steps of 300 B is killed with SIGKILL in the step behind them. A ' +
        'cold process finds the dead worker, claims the run, loads and replays its journal, and begins that step. ' +
        'Milliseconds, medians of interleaved rounds; sums with quartiles.',
      tables: parts.flatMap(({ tables }) => tables),
      verdicts: parts.flatMap(({ verdicts }) => verdicts),
      notes: parts.flatMap(({ notes }) => notes),
    })
    parts.push(await recoverWorkflows(options))
    options.save(section())
    parts.unshift(await recoverAgents(options))
    return section()
  },
}
