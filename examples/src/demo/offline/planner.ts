/** Plans: lists the documents, looks up the words that their headings share, and keeps those that lead somewhere. */
import type { Answer, Conversation } from '../../offline-model.ts'
import { type ListedDocument, listed, questionOf, type SearchResult, searched } from './answers.ts'
import { topicalWords } from './prose.ts'

const CANDIDATES = 5
const POINTS = 4
const DOCUMENTS_PER_POINT = 2

export function planner(conversation: Conversation): Answer {
  const documents = listed(conversation)
  const searches = searched(conversation)
  if (conversation.turns.length === 0) return { calls: [{ tool: 'list_documents', input: {} }] }
  if (searches.length === 0) {
    const words = candidates(questionOf(conversation.prompt), documents)
    if (words.length > 0) {
      return { calls: words.map((query) => ({ tool: 'search_documents', input: { query } })) }
    }
  }
  return { text: plan(documents, searches) }
}

/** Words of the question and of the headings; a word counts more the more documents have it in a heading. */
function candidates(question: string, documents: readonly ListedDocument[]): string[] {
  const weights = new Map<string, number>()
  const add = (word: string, weight: number): void => void weights.set(word, (weights.get(word) ?? 0) + weight)
  for (const document of documents) {
    const headings = new Set(topicalWords([document.title, ...document.headings].join(' ')))
    for (const word of headings) add(word, 1 + Math.log10(Math.max(10, document.words)))
  }
  for (const word of new Set(topicalWords(question))) add(word, 3)
  const ranked = [...weights].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1))
  const chosen: string[] = []
  for (const [word] of ranked) {
    // "step" and "steps" are one topic.
    if (!chosen.some((other) => other.slice(0, 5) === word.slice(0, 5))) chosen.push(word)
    if (chosen.length === CANDIDATES) break
  }
  return chosen
}

function plan(documents: readonly ListedDocument[], searches: readonly SearchResult[]): string {
  const fruitful = searches
    .filter((search) => search.total > 0)
    .sort((one, other) => spread(other) - spread(one) || other.total - one.total)
    .slice(0, POINTS)
  const words = documents.reduce((sum, document) => sum + document.words, 0)
  const points = fruitful.map((search, index) => {
    const where = [...new Set(search.hits.map((hit) => hit.path))]
    const read = where.slice(0, DOCUMENTS_PER_POINT).join(', ')
    return (
      `${index + 1}. ${search.query}: what do the documents say of it?` +
      ` (${search.total} lines in ${where.length} documents; read: ${read})`
    )
  })
  return [
    `There are ${documents.length} documents with ${words} words.`,
    `Of ${searches.length} words that their headings share these lead furthest:`,
    '',
    ...points,
  ].join('\n')
}

function spread(search: SearchResult): number {
  return new Set(search.hits.map((hit) => hit.path)).size
}
