import { Agent } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { model } from './model.ts'
import { search } from './tools.ts'

const selvage = await openSelvage({
  prices: { 'offline-*': { input: 3, output: 15 } }, // US dollars for a million tokens
  tenants: { acme: { budget: { usd: 20, period: 'day', onExceeded: 'stop' } } },
})

const analyst = selvage.agent('analyst', () => new Agent({ model, tools: [search], printer: false }), {
  effects: { search: 'read' },
  budget: { modelCalls: 2, usd: 5, wallClock: '10m', onExceeded: 'ask' },
  loopGuard: { repeats: 3, onLoop: 'tell-model' },
})

// Killed? Run it again: what was spent stays spent, and the question stands.
const run = await analyst.start('Analyse Q4 market trends', { runId: 'q4', tenant: 'acme' })
for await (const event of run.events()) {
  if (event.type === 'questionOpened' && event.status === 'open') {
    console.log(`It has made its two model calls. Two more: npx selvage approve ${event.question.id}`)
  }
}
const { text } = await run.result()
console.log(text)

const { budget = [] } = await run.status()
for (const { id, limits } of budget) {
  for (const [limit, { cap, spent }] of Object.entries(limits)) {
    if (limit !== 'wallClock') console.log(`${id}: ${spent} of ${cap} ${limit}`)
  }
}
await selvage.close()
