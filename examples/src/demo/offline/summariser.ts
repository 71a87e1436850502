/** Writes the report: takes the findings from the ledger, reads their sources again, and quotes only what stands there. */
import type { Answer, Conversation } from '../../offline-model.ts'
import { foundSoFar, type ListedFinding, questionOf, type ReadDocument, readSoFar } from './answers.ts'
import { capitalised } from './prose.ts'

const SOURCES = 4

export function summariser(conversation: Conversation): Answer {
  const findings = foundSoFar(conversation)
  if (conversation.turns.length === 0) return { calls: [{ tool: 'list_findings', input: {} }] }
  const sources = [...new Set(findings.map((finding) => finding.path))].slice(0, SOURCES)
  if (conversation.turns.length === 1 && sources.length > 0) {
    return { calls: sources.map((path) => ({ tool: 'read_document', input: { path } })) }
  }
  return { text: report(questionOf(conversation.prompt), findings, readSoFar(conversation)) }
}

function report(question: string, findings: readonly ListedFinding[], sources: readonly ReadDocument[]): string {
  const topics = [...new Set(findings.map((finding) => finding.topic))]
  const checked = findings.filter((finding) => stands(finding, sources)).length
  return [
    `# ${question}`,
    '',
    `${findings.length} findings on ${topics.join(', ')}; ${checked} of them were compared with their sources again.`,
    ...topics.flatMap((topic) => section(topic, findings, sources)),
    '',
    '## Sources',
    '',
    ...[...new Set(findings.map((finding) => finding.path))].map((path) => `- ${path}`),
    '',
  ].join('\n')
}

function section(topic: string, findings: readonly ListedFinding[], sources: readonly ReadDocument[]): string[] {
  const own = findings.filter((finding) => finding.topic === topic)
  return [
    '',
    `## ${capitalised(topic)}`,
    '',
    ...own.map((finding) => {
      const check = stands(finding, sources) ? '' : ' (not compared)'
      return `- ${finding.quote} [${finding.path}:${finding.line}]${check}`
    }),
  ]
}

function stands(finding: ListedFinding, sources: readonly ReadDocument[]): boolean {
  const plain = (text: string): string => text.replace(/\s+/g, ' ')
  return sources.some((source) => source.path === finding.path && plain(source.text).includes(finding.quote))
}
