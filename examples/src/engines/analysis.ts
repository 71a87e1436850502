/** An agent and a workflow around it, on whichever engine: neither knows one. */
import { Agent } from '@strands-agents/sdk'
import type { ProgramHandle, Selvage } from 'selvage'
import { model } from '../model.ts'
import { publish, search } from '../tools.ts'

/** As ordinary as yours: it does not know that it is durable. */
export const newAnalyst = (): Agent => new Agent({ model, tools: [search], printer: false })

/** What its tools do to the world. */
export const EFFECTS = { search: 'read' } as const

/** Defines both; where somebody else asks for them, that is all. */
export function define(selvage: Selvage): ProgramHandle<string, { text: string; approved: boolean }> {
  const analyst = selvage.agent('analyst', newAnalyst, { effects: EFFECTS })
  return selvage.workflow('report', async (ctx, topic: string) => {
    const { text } = await ctx.child(analyst, topic)
    const { approved } = await ctx.approval('publish', { details: text })
    if (approved) await ctx.step('publish', () => publish(text), { effect: 'once' })
    return { text, approved }
  })
}

export async function analyse(selvage: Selvage): Promise<void> {
  const report = define(selvage)
  const run = await report.start('Q4 market trends', { runId: 'q4' })
  for await (const event of run.events()) {
    if (event.type === 'stepCompleted') console.log(event.replayed ? 'recovered' : 'executed', event.step)
    if (event.type === 'questionOpened' && event.status === 'open') {
      await run.approve(event.question.id, { by: 'the example' })
    }
  }
  const { text, approved } = await run.result()
  console.log(text)
  console.log(approved ? 'published' : 'not published')
  await selvage.close()
}
