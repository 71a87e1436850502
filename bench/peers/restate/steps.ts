/**
 * node steps.ts <folder> <shape> <ingress> <admin>: a plain handler of Restate's SDK; a step is `ctx.run`. The server
 * calls this process over HTTP/2.
 */
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import * as restate from '@restatedev/restate-sdk'
import * as clients from '@restatedev/restate-sdk-clients'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'
import { Timed } from '../../src/timed.ts'

const [, shape = '{}', ingress = '', admin = ''] = process.argv.slice(2)
const payload = payloads((JSON.parse(shape) as StepShape).bytes)
const timed = new Timed()
const steps = restate.service({
  name: 'plain',
  handlers: {
    steps: async (ctx: restate.Context, { count, from }: { count: number; from: number }) => {
      const run = timed.run()
      for (let n = 0; n < count; n++) await run.step(() => ctx.run('step', () => payload(from + n)))
      run.end()
    },
  },
})
const server = createServer(restate.createEndpointHandler({ services: [steps], logger: () => {} }))
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const registered = await fetch(`${admin}/deployments`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ uri, force: true }),
})
if (!registered.ok) throw new Error(`Restate did not take the deployment: ${await registered.text()}`)
const client = clients.connect({ url: ingress }).serviceClient(steps)

const before = await recorded()

serveSteps({
  async inOneRun(count) {
    return (await watch([count])).stepMs
  },
  atOnce: (runs, count) => watch(new Array<number>(runs).fill(count)),
  count: async () => (await recorded()) - before,
  close: async () => void server.close(),
})

/** On the whole server. */
async function recorded(): Promise<number> {
  const answered = await fetch(`${admin}/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      query: `select count(*) as steps from sys_journal join sys_invocation on sys_journal.id = sys_invocation.id
        where entry_type = 'Command: Run' and target_service_name = 'plain'`,
    }),
  })
  const { rows } = (await answered.json()) as { rows: { steps: number }[] }
  return rows[0]?.steps ?? 0
}

async function watch(counts: readonly number[]): ReturnType<Timed['watch']> {
  const calls: PromiseLike<unknown>[] = []
  const times = await timed.watch(counts, async (from) => {
    calls.push(client.steps({ count: counts[from] ?? 0, from }))
  })
  await Promise.all(calls)
  return times
}
