/**
 * A service of yours on Restate, and an agent as a part of one of its handlers. Killed in the middle and begun again, it goes on:
 * the handler where it was, and the agent inside of its run. `npx @restatedev/restate-server` before.
 */
import { createServer } from 'node:http2'
import { type Context, createEndpointHandler, service } from '@restatedev/restate-sdk'
import { restateEngine, runInside } from '@selvage/engine-restate'
import { nodeRuntime } from '@selvage/runtime-node'
import { type AgentRunResult, openSelvage } from 'selvage'
import { publish } from '../tools.ts'
import { EFFECTS, newAnalyst } from './analysis.ts'

const {
  RESTATE_INGRESS: ingress = 'http://127.0.0.1:8080',
  RESTATE_ADMIN: admin = 'http://127.0.0.1:9070',
  PORT: port = '9080',
  DESK_PORT: deskPort = '9081',
} = process.env

// A worker for the agent. It may as well be in another process, or on another machine.
const engine = restateEngine({ ingress, admin, listen: { port: Number(port) } })
const selvage = await openSelvage({ engine })
const analyst = selvage.agent('analyst', newAnalyst, { effects: EFFECTS })
await selvage.work()

// The service: Restate's own SDK, and one line of ours.
const runtime = nodeRuntime()
const desk = service({
  name: 'desk',
  handlers: {
    report: async (ctx: Context, topic: string): Promise<string> => {
      const title = await ctx.run('title', () => `Report of ${new Date().toDateString()}`)
      const { text } = (await runInside(ctx, analyst, topic, { engine, runtime })) as AgentRunResult
      await ctx.run('publish', () => publish(`${title}\n${text}`))
      return text
    },
  },
})
const server = createServer(createEndpointHandler({ services: [desk] }))
await new Promise<void>((resolve) => void server.listen(Number(deskPort), '127.0.0.1', resolve))
await post(`${admin}/deployments`, { uri: `http://127.0.0.1:${deskPort}` })

// Asked for again under the same key, it is the same invocation.
const report = await post(`${ingress}/desk/report`, 'Q4 market trends', { 'idempotency-key': 'q4' })
console.log(report)
console.log('published')
await selvage.close()
process.exit()

async function post(url: string, body: unknown, headers: { readonly [name: string]: string } = {}): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return await response.json()
}
