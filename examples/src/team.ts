import { Agent } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { openSelvage } from 'selvage'
import { model } from './model.ts'
import { search } from './tools.ts'

const selvage = await openSelvage() // ./.selvage/selvage.db

const member = (id: string): Agent => new Agent({ id, model, tools: [search], printer: false })

const team = selvage.graph(
  'team',
  () =>
    new Graph({
      nodes: [member('prices'), member('customers'), member('writer')],
      edges: [
        ['prices', 'writer'],
        ['customers', 'writer'],
      ],
      maxSteps: 10,
    }),
  { effects: { search: 'read' } },
)

// Killed in a node? Run it again: it goes on inside of that node, and finished ones are left alone.
const run = await team.start('Analyse Q4 market trends', { runId: 'q4-team' })
const { status, results } = await run.result()
console.log(
  status,
  results
    .map(({ nodeId }) => nodeId)
    .toSorted()
    .join(' '),
)
await selvage.close()
