/** The model of the short examples: a real one where there is a key (models.ts), else one that works through its tools. */
import type { Model } from '@strands-agents/sdk'
import { chooseModel } from './models.ts'
import type { Answer, Conversation } from './offline-model.ts'

export const model: Model = await chooseModel('example', analyst)

/** Searches twice, buys what it may, and sums up what it was told. Without tools it takes its topic apart. */
function analyst({ prompt, tools, turns }: Conversation): Answer {
  const topic = prompt.replace(/^Analyse /, '')
  console.error(`offline model: answer ${turns.length + 1} on ${topic}`)
  if (tools.length === 0)
    return { text: ['prices', 'customers', 'competitors'].map((part) => `${topic}: ${part}`).join('\n') }
  if (turns.length === 0) return { calls: ['prices', 'customers', 'competitors'].map((part) => search(topic, part)) }
  if (turns.length === 1) return { calls: [search(topic, 'outlook')] }
  if (turns.length === 2 && tools.includes('charge')) {
    return { calls: [{ tool: 'charge', input: { amount: 20, purpose: `a study of ${topic}` } }] }
  }
  const told = turns
    .flat()
    .map((call) => `- ${typeof call.result === 'string' ? call.result : JSON.stringify(call.result)}`)
  return { text: [`On ${topic}:`, ...told].join('\n') }
}

function search(topic: string, part: string): { readonly tool: string; readonly input: { readonly query: string } } {
  return { tool: 'search', input: { query: `${topic}, ${part}` } }
}
