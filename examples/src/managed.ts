// #region readme
import { Agent } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { model } from './model.ts'
import { charge, search } from './tools.ts'

const selvage = await openSelvage() // ./.selvage/selvage.db

const analyst = selvage.agent('analyst', () => new Agent({ model, tools: [search, charge], printer: false }), {
  version: '1',
  effects: { search: 'read', charge: 'once' }, // what a crash may repeat, and what it may not
  approvals: { charge: true }, // a person says yes first, from any process
})

const run = await analyst.start('Analyse Q4 market trends', { runId: 'q4' })
for await (const event of run.events()) {
  if (event.type === 'stepCompleted') console.log(event.replayed ? 'recovered' : 'executed', event.step)
  if (event.type === 'questionOpened' && event.status === 'open') {
    console.log(`Say yes: npx selvage approve ${event.question.id}`)
  }
}
const result = await run.result()
console.log(result.text)
await selvage.close()
// #endregion
