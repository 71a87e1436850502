/** Carries out a plan: searches its words, reads what they lead to, and records the sentence that says most of each. */
import type { Answer, Conversation } from '../../offline-model.ts'
import { failures, questionOf, type ReadDocument, readSoFar, searched } from './answers.ts'
import { sentencesOf, topicalWords } from './prose.ts'

const READS = 5
const FINDINGS = 6

interface Point {
  readonly term: string
  readonly paths: readonly string[]
}

export function executor(conversation: Conversation): Answer {
  const points = pointsOf(conversation.prompt)
  const searches = searched(conversation)
  const documents = readSoFar(conversation)
  if (points.length === 0) return { text: 'The plan names nothing to look for.' }
  if (searches.length === 0) {
    return { calls: points.map(({ term }) => ({ tool: 'search_documents', input: { query: term } })) }
  }
  if (documents.length === 0 && conversation.turns.length < 3) {
    const planned = points.flatMap((point) => point.paths)
    const found = searches.flatMap((search) => search.hits.map((hit) => hit.path))
    const paths = [...new Set([...planned, ...found])].slice(0, READS)
    return { calls: paths.map((path) => ({ tool: 'read_document', input: { path } })) }
  }
  if (!conversation.turns.flat().some((call) => call.tool === 'record_finding')) {
    const findings = findingsFor(points, documents, topicalWords(questionOf(conversation.prompt)))
    if (findings.length > 0) return { calls: findings.map((input) => ({ tool: 'record_finding', input })) }
  }
  const recorded = conversation.turns.flat().filter((call) => call.tool === 'record_finding')
  const failed = failures(conversation).length
  return {
    text: [
      `${recorded.length - failed} findings on ${points.map((point) => point.term).join(', ')}`,
      ` from ${documents.length} documents are in the ledger.`,
    ].join(''),
  }
}

/** `1. lease: … (…; read: docs/a.md, docs/b.md)`, as the planner writes it. */
function pointsOf(prompt: string): Point[] {
  return [...prompt.matchAll(/^\d+\. ([^:\n]+):.*?(?:read: ([^)\n]+)\))?$/gm)].map((match) => ({
    term: (match[1] ?? '').trim(),
    paths: (match[2] ?? '').split(', ').filter(Boolean),
  }))
}

interface Quote {
  readonly [field: string]: string | number
  readonly topic: string
  readonly claim: string
  readonly quote: string
  readonly path: string
  readonly line: number
}

/** The best sentence for each point, then the second best, until there are enough. No sentence twice. */
function findingsFor(points: readonly Point[], documents: readonly ReadDocument[], asked: readonly string[]): Quote[] {
  const ranked = points.map((point) => quotesFor(point.term, documents, asked))
  const chosen: Quote[] = []
  for (let rank = 0; rank < FINDINGS; rank++) {
    for (const quotes of ranked) {
      const next = quotes.find((quote) => !chosen.some((other) => other.quote === quote.quote))
      if (next !== undefined && chosen.length < FINDINGS) chosen.push(next)
    }
  }
  return chosen
}

function quotesFor(term: string, documents: readonly ReadDocument[], asked: readonly string[]): Quote[] {
  const stem = term.toLowerCase().replace(/s$/, '')
  const quotes = documents.flatMap((document) =>
    sentencesOf(document.text).flatMap(({ text, line }) => {
      const score = scoreOf(text, stem, asked)
      return score === 0 ? [] : [{ score, text, line, path: document.path }]
    }),
  )
  quotes.sort((one, other) => other.score - one.score)
  return quotes.map(({ text, line, path }) => ({ topic: term, claim: claimOf(text), quote: text, path, line }))
}

/** A sentence that begins with the word, says what it is or does and has words of the question is worth most. */
function scoreOf(sentence: string, stem: string, asked: readonly string[]): number {
  const lower = sentence.toLowerCase()
  const at = lower.indexOf(stem)
  if (at < 0) return 0
  const early = 1 - at / lower.length
  const defines = new RegExp(`\\b${escaped(stem)}s?\\b[^.]{0,20}\\b(is|are|means|must|never|always|only)\\b`).test(
    lower,
  )
  const marked = (sentence.match(/[`|*]/g)?.length ?? 0) / 20
  const answers = asked.filter((word) => lower.includes(word.slice(0, 5))).length
  const full = Math.min(1, sentence.length / 120)
  return 1 + early + full + answers + (defines ? 2 : 0) - Math.min(1, marked)
}

function claimOf(sentence: string): string {
  const clause = sentence.split(/[:;,]\s/)[0] ?? sentence
  return clause.length <= 90 ? clause.replace(/[.]$/, '') : `${clause.slice(0, 89)}…`
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
