/** Tools of the short examples, as ordinary as yours: they do not know that their agent is durable. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type InvokableTool, tool } from '@strands-agents/sdk'
import { currentStep } from 'selvage'
import { z } from 'zod'

export const search: InvokableTool<{ query: string }, string> = tool({
  name: 'search',
  description: 'Searches the news. Search for several things at once.',
  inputSchema: z.object({ query: z.string() }),
  callback: async ({ query }): Promise<string> => {
    console.error(`search: ${query}`)
    await sleep(200)
    return `${query}: up ${query.length} % on the year before`
  },
})

/** A payment service in a file. It would know a call that comes a second time by its key. */
export const charge: InvokableTool<{ amount: number; purpose: string }, string> = tool({
  name: 'charge',
  description: 'Pays for something.',
  inputSchema: z.object({ amount: z.number().describe('euros'), purpose: z.string() }),
  callback: async ({ amount, purpose }): Promise<string> => {
    appendFileSync('payments.jsonl', `${JSON.stringify({ amount, purpose, key: currentStep()?.idempotencyKey })}\n`)
    return `paid ${amount} euros for ${purpose}`
  },
})

export async function publish(text: string): Promise<void> {
  appendFileSync('published.md', `${text}\n`)
}
