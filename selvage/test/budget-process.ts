/**
 * A worker of agents on a budget: `node budget-process.ts <database> <url of the model> <tokens>`. It works until it dies
 * or until its standard input ends.
 */
import { Agent, tool } from '@strands-agents/sdk'
import { openSelvage } from 'selvage'
import { z } from 'zod'
import { SoldModel } from './budget-model.ts'

const [database = '', url = '', tokens = '0'] = process.argv.slice(2)
// It ends with the process that spawned it.
process.stdin.on('end', () => process.exit()).resume()

const selvage = await openSelvage({ url: `sqlite:${database}`, durability: 'normal', leaseMs: 2_000 })
const look = tool({
  name: 'look',
  description: 'Looks.',
  inputSchema: z.object({ at: z.number() }),
  callback: ({ at }) => `seen ${at}`,
})
// About as long as what the provider charges for.
const systemPrompt = 'Look at one thing after another. '.repeat(8)
const make = () => new Agent({ model: new SoldModel(url), tools: [look], systemPrompt, printer: false })
const budget = { tokens: Number(tokens), onExceeded: 'stop' } as const
selvage.agent('alone', make, { effects: { look: 'read' }, budget })
const child = selvage.agent('child', make, { effects: { look: 'read' } })
selvage.workflow(
  'fan',
  async (ctx, width: number) => {
    const children = Array.from({ length: width }, (_, at) => ctx.child(child, 'Look.', { key: `c${at}` }))
    return (await Promise.allSettled(children)).map(({ status }) => status)
  },
  { budget },
)
await selvage.work()
