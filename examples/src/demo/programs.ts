/** What runs: three agents with their own models, and the workflow around them. No word of engines, kills or counting. */
import { Agent, type Model, type Tool } from '@strands-agents/sdk'
import type { ProgramHandle, Selvage } from 'selvage'
import type { Role } from './models.ts'
import type { Press, Publication } from './press.ts'
import { EFFECTS, type Tools } from './tools.ts'

export interface ReportRequest {
  readonly question: string
}

export type Report =
  | { readonly published: true; readonly publication: Publication }
  | { readonly published: false; readonly reason: string }

export interface Means {
  readonly tools: Tools
  readonly press: Press
  readonly modelFor: (role: Role) => Promise<Model>
}

const PLANNER = `You plan research in a folder of documents. First call list_documents. Then call search_documents for
three to five terms, all in one turn. Then answer with a short plan and nothing else: three to five numbered lines, each
with a term, what to find out about it, and the documents to read for it.`

const EXECUTOR = `You carry out a research plan. Call search_documents for the terms of the plan, all in one turn. Then
call read_document for the three to five documents that matter most, all in one turn. Then call record_finding for four
to six findings, all in one turn; each quote must stand in the document word for word. Then say in one line what you
recorded.`

const SUMMARISER = `You write reports from findings. Call list_findings, then read_document for the documents that they
cite, all in one turn, and check the quotes. Then answer with the report and nothing else: Markdown, a title, one section
for each topic, every statement followed by its source as [path:line], and a list of sources. At most 500 words.`

export function registerPrograms(
  selvage: Selvage,
  { tools, press, modelFor }: Means,
): ProgramHandle<ReportRequest, Report> {
  const agent = (role: Role, systemPrompt: string, own: readonly Tool[]) =>
    selvage.agent(role, async () => agentOf(await modelFor(role), systemPrompt, own), {
      version: '1',
      effects: Object.fromEntries(Object.entries(EFFECTS).filter(([name]) => own.some((tool) => tool.name === name))),
    })

  const planner = agent('planner', PLANNER, [tools.listDocuments, tools.searchDocuments])
  const executor = agent('executor', EXECUTOR, [tools.searchDocuments, tools.readDocument, tools.recordFinding])
  const summariser = agent('summariser', SUMMARISER, [tools.listFindings, tools.readDocument])

  return selvage.workflow<ReportRequest, Report>(
    'report',
    async (ctx, { question }) => {
      const plan = await ctx.child(planner, `Question: ${question}`, { key: 'plan' })
      const notes = await ctx.child(executor, `Question: ${question}\n\nPlan:\n${plan.text}`, { key: 'execute' })
      const report = await ctx.child(summariser, `Question: ${question}\n\nNotes:\n${notes.text}`, { key: 'summarise' })

      const answer = await ctx.approval('publish', { details: { question, report: report.text } })
      if (!answer.approved) return { published: false, reason: answer.reason }

      const publication = await ctx.step('publish', (at) => press.publish(report.text, at.idempotencyKey), {
        effect: 'once',
        reconcile: ({ idempotencyKey }) => press.wasPublished(idempotencyKey),
      })
      return { published: true, publication }
    },
    { version: '1' },
  )
}

function agentOf(model: Model, systemPrompt: string, tools: readonly Tool[]): Agent {
  return new Agent({ model, systemPrompt, tools: [...tools], printer: false })
}
