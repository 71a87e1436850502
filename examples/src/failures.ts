import { Agent, tool } from '@strands-agents/sdk'
import { currentStep, openSelvage } from 'selvage'
import { z } from 'zod'
import { model } from './model.ts'
import { OfflineModel } from './offline-model.ts'

/** A provider that is overloaded today, as Anthropic says it. */
const overloaded = new OfflineModel('overloaded', () => {
  console.error('first model: asked')
  throw Object.assign(new Error('Overloaded'), { status: 529, type: 'overloaded_error' })
})

/** A service that is not there the first time, and says when it will be. */
const search = tool({
  name: 'search',
  description: 'Searches the news.',
  inputSchema: z.object({ query: z.string() }),
  callback: ({ query }) => {
    const attempt = currentStep()?.attempt ?? 1
    console.error(`search: ${query}, attempt ${attempt}`)
    if (attempt > 1) return `${query}: up`
    throw Object.assign(new Error('Service unavailable'), { status: 503, headers: { 'retry-after': '3' } })
  },
})

const selvage = await openSelvage() // ./.selvage/selvage.db

const analyst = selvage.agent('analyst', () => new Agent({ model: overloaded, tools: [search], printer: false }), {
  effects: { search: 'read' },
  fallback: [{ model, on: ['overload', 'refusal', 'context-overflow'] }],
  retry: { tools: { search: { transient: { maxAttempts: 5, initial: '1s', max: '1h', maxElapsed: '1d' } } } },
  timeouts: { search: { timeout: '30s', heartbeatTimeout: '10s' } },
  timeout: '2d',
})

// Killed? Run it again: a model that was given up is not asked again for that answer, and a wait goes on where it was.
const run = await analyst.start('Analyse Q4 market trends', { runId: 'q4' })
console.log((await run.result()).text)
await selvage.close()
