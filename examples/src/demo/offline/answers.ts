/** What the demo's prompts ask and its tools return, as the offline minds find it in a conversation. */
import type { JSONValue } from '@strands-agents/sdk'
import { z } from 'zod'
import type { Conversation, ToolCall } from '../../offline-model.ts'

export interface ListedDocument {
  path: string
  title: string
  words: number
  headings: string[]
}

export interface SearchResult {
  query: string
  total: number
  hits: { path: string; line: number; text: string }[]
}

export interface ReadDocument {
  path: string
  text: string
}

export interface ListedFinding {
  topic: string
  claim: string
  quote: string
  path: string
  line: number
}

const text = z.string()
const number = z.number()
const listing: z.ZodType<{ documents: ListedDocument[] }> = z.object({
  documents: z.array(z.object({ path: text, title: text, words: number, headings: z.array(text) })),
})
const search: z.ZodType<SearchResult> = z.object({
  query: text,
  total: number,
  hits: z.array(z.object({ path: text, line: number, text })),
})
const document: z.ZodType<ReadDocument> = z.object({ path: text, text })
const ledger: z.ZodType<{ findings: ListedFinding[] }> = z.object({
  findings: z.array(z.object({ topic: text, claim: text, quote: text, path: text, line: number })),
})

export function listed(conversation: Conversation): ListedDocument[] {
  return results(conversation, 'list_documents', listing).flatMap((result) => result.documents)
}

export function searched(conversation: Conversation): SearchResult[] {
  return results(conversation, 'search_documents', search)
}

export const readSoFar = (conversation: Conversation): ReadDocument[] =>
  results(conversation, 'read_document', document)

export function foundSoFar(conversation: Conversation): ListedFinding[] {
  return results(conversation, 'list_findings', ledger).flatMap((result) => result.findings)
}

export function questionOf(prompt: string): string {
  return /^Question: (.+)$/m.exec(prompt)?.[1] ?? 'What the documents say'
}

/** Calls of the turn before that failed. */
export function failures(conversation: Conversation): ToolCall[] {
  return (conversation.turns.at(-1) ?? []).filter((call) => call.failed)
}

function results<T>(conversation: Conversation, tool: string, schema: z.ZodType<T>): T[] {
  const values = conversation.turns
    .flat()
    .filter((call) => call.tool === tool && !call.failed)
    .map((call): JSONValue | undefined => call.result)
  return values.flatMap((value) => {
    const parsed = schema.safeParse(value)
    return parsed.success ? [parsed.data] : []
  })
}
