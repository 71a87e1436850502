/** How soon a run goes on whose process was killed. */
import type { Section } from '../report.ts'
import type { Workload } from '../workload.ts'
import { killAgents, recoverAgents } from './recover-agents.ts'
import { killWorkflows, recoverWorkflows } from './recover-workflows.ts'

type Part = Pick<Section, 'tables' | 'verdicts' | 'notes'>

export const recovery: Workload = {
  name: 'recovery',
  besidePeers: true,
  async prepare(setting) {
    const [workflows, agents] = await Promise.all([killWorkflows(setting), killAgents(setting)])
    return async (options) => {
      const first = await recoverWorkflows(workflows, options)
      options.save(sectionOf([first]))
      return sectionOf([await recoverAgents(agents, options), first])
    }
  },
}

function sectionOf(parts: readonly Part[]): Section {
  return {
    title: 'Recovery',
    how:
      'An agent is killed with SIGKILL in the tool of so many cycles (results of 200 B). A cold process (durability full) ' +
      'finds the dead worker, claims the run, loads its journal and folds it into the conversation, and makes the call ' +
      'that was in flight. Then a workflow of so many steps of 300 B is killed with SIGKILL in the step behind them. A ' +
      'cold process finds the dead worker, claims the run, loads and replays its journal, and begins that step. ' +
      'Milliseconds, medians of interleaved rounds; sums with quartiles. The process is cold, the disk is not: what was ' +
      'written shortly before is in the memory of the system.',
    tables: parts.flatMap(({ tables }) => tables),
    verdicts: parts.flatMap(({ verdicts }) => verdicts),
    notes: parts.flatMap(({ notes }) => notes),
  }
}
