// #region readme
import { Agent } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { model } from './model.ts'
import { publish, search } from './tools.ts'

const selvage = await openSelvage()

const planner = selvage.agent(
  'planner',
  () => new Agent({ model, systemPrompt: 'Name three parts, one a line.', printer: false }),
)
const researcher = selvage.agent('researcher', () => new Agent({ model, tools: [search], printer: false }), {
  effects: { search: 'read' },
})

const report = selvage.workflow(
  'report',
  async (ctx, topic: string) => {
    const plan = await ctx.child(planner, topic)
    const parts = plan.text.split('\n')
    const notes = await Promise.all(parts.map((part, i) => ctx.child(researcher, part, { key: `part-${i}` })))
    const text = notes.map((note) => note.text).join('\n\n')
    const answer = await ctx.approval('publish', { details: text, timeout: '3d' })
    if (answer.approved) await ctx.step('publish', () => publish(text), { effect: 'once' })
    return { text, published: answer.approved }
  },
  { version: '1' },
)

const run = await report.start('Q4 market trends', { runId: 'q4-trends' })
// #endregion
for await (const event of run.events()) {
  if (event.type === 'questionOpened' && event.status === 'open') {
    await run.approve(event.question.id, { by: 'the example' })
  }
}
const { text, published } = await run.result()
console.log(text)
console.log(published ? 'published' : 'not published')
await selvage.close()
