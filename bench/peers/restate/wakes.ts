/** node wakes.ts <folder> <ingress> <admin>: from the resolution of an awakeable to the step behind it. */
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as restate from '@restatedev/restate-sdk'
import * as clients from '@restatedev/restate-sdk-clients'
import { serveWakes } from '../../src/serve-wakes.ts'

const PAUSE_MS = 23

const [, ingress = '', admin = ''] = process.argv.slice(2)
let heard: number[] = []
let sentAt = 0
let asked: PromiseWithResolvers<string> = Promise.withResolvers()
const listener = restate.service({
  name: 'listener',
  handlers: {
    listen: async (ctx: restate.Context, wanted: number) => {
      for (let n = 0; n < wanted; n++) {
        const { id, promise } = ctx.awakeable<string>()
        asked.resolve(id)
        await promise
        await ctx.run('heard', () => void heard.push(performance.now() - sentAt))
      }
    },
  },
})
const server = createServer(restate.createEndpointHandler({ services: [listener], logger: () => {} }))
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const registered = await fetch(`${admin}/deployments`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ uri, force: true }),
})
if (!registered.ok) throw new Error(`Restate did not take the deployment: ${await registered.text()}`)
const client = clients.connect({ url: ingress })

serveWakes(async ({ count }) => {
  heard = []
  asked = Promise.withResolvers()
  const ended = client.serviceClient(listener).listen(count)
  for (let n = 0; n < count; n++) {
    const id = await asked.promise
    asked = Promise.withResolvers()
    await sleep(PAUSE_MS)
    sentAt = performance.now()
    await client.resolveAwakeable(id, 'yes')
  }
  await ended
  return heard
})
