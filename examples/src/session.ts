import { Agent } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { model } from './model.ts'
import { search } from './tools.ts'

const selvage = await openSelvage() // ./.selvage/selvage.db

const analyst = selvage.agent('analyst', () => new Agent({ model, tools: [search], printer: false }), {
  effects: { search: 'read' },
})

// Many messages under one id. Killed? Run it again: what was answered is not asked again, what was open goes on.
const ann = analyst.session('ann')
for (const [id, text] of [
  ['m1', 'Analyse Q4 market trends'],
  ['m2', 'Analyse Q1 market trends'],
] as const) {
  const reply = await ann.send(text, { id })
  console.log(reply.text)
}
console.log(`${(await ann.run.conversation()).length} messages`)
await selvage.close()
