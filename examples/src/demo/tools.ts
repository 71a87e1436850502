/** Ordinary Strands tools. None of them knows that it is durable; the ledger is handed the idempotency key of its step. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type JSONValue, type Tool, tool } from '@strands-agents/sdk'
import { currentStep } from 'selvage'
import { z } from 'zod'
import type { CallLog } from './call-log.ts'
import type { Ledger } from './ledger.ts'
import type { Library } from './library.ts'

/** What the tools do outside, declared beside the agents: a read is made again at will, a finding with the same key. */
export const EFFECTS = {
  list_documents: 'read',
  search_documents: 'read',
  read_document: 'read',
  list_findings: 'read',
  record_finding: 'idempotent',
} as const

export interface Finding {
  readonly topic: string
  readonly claim: string
  readonly quote: string
  readonly path: string
  readonly line: number
}

/** Files on a disk answer at once; documents in the world do not. The same call takes the same time, two differ. */
const SLOWEST_MS = 320
const FASTEST_MS = 60

const LONGEST_TEXT = 16_000

export interface Surroundings {
  readonly library: Library
  readonly ledger: Ledger
  readonly calls: CallLog
}

export interface Tools {
  readonly listDocuments: Tool
  readonly searchDocuments: Tool
  readonly readDocument: Tool
  readonly recordFinding: Tool
  readonly listFindings: Tool
}

type Schema = z.ZodObject<z.ZodRawShape>

export function createTools({ library, ledger, calls }: Surroundings): Tools {
  const counted = <S extends Schema>(config: {
    readonly name: keyof typeof EFFECTS
    readonly description: string
    readonly inputSchema: S
    readonly about: (input: z.infer<S>) => string
    readonly body: (input: z.infer<S>, applied: () => void) => JSONValue
  }): Tool =>
    tool({
      name: config.name,
      description: config.description,
      inputSchema: config.inputSchema,
      callback: async (input: z.infer<S>) => {
        const about = config.about(input)
        const call = calls.begin('tool', config.name, about)
        try {
          const isRead = EFFECTS[config.name] === 'read'
          const latency = latencyOf(`${config.name} ${about}`)
          if (isRead) await sleep(latency)
          const result = config.body(input, call.applied)
          // The effect has happened, and its answer is on its way: the worst moment to die in.
          if (!isRead) await sleep(latency)
          call.end()
          return result
        } catch (error) {
          call.fail(error)
          throw error
        }
      },
    })

  const listDocuments = counted({
    name: 'list_documents',
    description: 'Lists all documents with their titles, headings and numbers of words.',
    inputSchema: z.object({}),
    about: () => '',
    body: () => ({ documents: library.list().map((document) => ({ ...document, headings: [...document.headings] })) }),
  })

  const searchDocuments = counted({
    name: 'search_documents',
    description: 'Finds lines that contain all given words. Search for several terms in one turn.',
    inputSchema: z.object({ query: z.string().min(1).describe('one to three words') }),
    about: ({ query }) => `"${query}"`,
    body: ({ query }) => {
      const { hits, total } = library.search(query, 12)
      return { query, total, hits: hits.map((hit) => ({ ...hit })) }
    },
  })

  const readDocument = counted({
    name: 'read_document',
    description: 'Reads one document. Read several in one turn.',
    inputSchema: z.object({ path: z.string().describe('as list_documents and search_documents give it') }),
    about: ({ path }) => path,
    body: ({ path }) => ({ path, text: library.read(path).slice(0, LONGEST_TEXT) }),
  })

  const recordFinding = counted({
    name: 'record_finding',
    description:
      'Writes one finding into the ledger. Record several in one turn. The quote must stand in the document.',
    inputSchema: z.object({
      topic: z.string().describe('the point of the plan that it belongs to'),
      claim: z.string().describe('what was found, in a few words'),
      quote: z.string().describe('the sentence that says so, word for word'),
      path: z.string(),
      line: z.number().int().min(1).describe('the line on which the quote begins'),
    }),
    about: ({ path, line }) => `${path}:${line}`,
    body: (finding, applied) => {
      const { applied: first } = ledger.record('finding', keyOfThisStep(), finding)
      applied()
      return { recorded: true, before: !first }
    },
  })

  const listFindings = counted({
    name: 'list_findings',
    description: 'Lists the findings that the ledger holds.',
    inputSchema: z.object({}),
    about: () => '',
    body: () => ({ findings: findingsIn(ledger).map((finding) => ({ ...finding })) }),
  })

  return { listDocuments, searchDocuments, readDocument, recordFinding, listFindings }
}

export function findingsIn(ledger: Ledger): Finding[] {
  return ledger.lines().flatMap((line) => (line.kind === 'finding' && line.applied ? [line.value as Finding] : []))
}

/** The same on every attempt and in every process, so the ledger can tell a repeated call from a new one. */
function keyOfThisStep(): string {
  const step = currentStep()
  if (step === undefined) throw new Error('This tool acts outside and was called past the gate, without a key.')
  return step.idempotencyKey
}

function latencyOf(call: string): number {
  let hash = 7
  for (const character of call) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 9_973
  return FASTEST_MS + (hash % (SLOWEST_MS - FASTEST_MS))
}
