/**
 * node steps.ts <folder> <shape>: Vercel Workflow in its local world, which keeps each event in a file. Workflow and step
 * go through the SDK's compiler; its queue calls them over HTTP, as it does beside a framework's development server.
 */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { StandaloneBuilder } from '@workflow/builders'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'
import { median } from '../../src/statistics.ts'

type Handler = (request: Request) => Promise<Response>

const WORKFLOW = { workflowId: 'workflow//./steps//steps' }
const require = createRequire(import.meta.url)
const [folder = '', shape = '{}'] = process.argv.slice(2)
const payload = payloads((JSON.parse(shape) as StepShape).bytes)
const version = (require('./package.json') as { dependencies: { workflow: string } }).dependencies.workflow
const app = join(import.meta.dirname, 'app')
const [steps, flow] = [`dist/${version}/step.cjs`, `dist/${version}/flow.cjs`]
if (!existsSync(join(app, flow))) await build()

process.env.WORKFLOW_TARGET_WORLD = 'local'
process.env.WORKFLOW_LOCAL_DATA_DIR = join(folder, 'workflow-data')
process.env.WORKFLOW_LOCAL_QUEUE_CONCURRENCY = '1000'
const beganAt = new Map<string, number[]>()
Object.assign(globalThis, {
  benchStep: (run: string, n: number) => {
    beganAt.get(run)?.push(performance.now())
    return payload(n)
  },
})
const handlers: { readonly [path: string]: Handler } = {
  '/.well-known/workflow/v1/step': (require(join(app, steps)) as { POST: Handler }).POST,
  '/.well-known/workflow/v1/flow': (require(join(app, flow)) as { POST: Handler }).POST,
}
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
  const handle = handlers[request.url ?? '']
  const answer = await handle?.(
    new Request(`http://localhost${request.url}`, { method: 'POST', headers, body: Buffer.concat(chunks) }),
  )
  response.writeHead(answer?.status ?? 404)
  response.end(await answer?.text())
})
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
process.env.WORKFLOW_LOCAL_BASE_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const { start } = await import('@workflow/core/runtime')
let runs = 0

/**
 * From the beginning of each step to that of the next one: its events lie between. That the last one has ended is only
 * learnt by looking every second, which is nobody's cost here: it is taken to last as long as the median of the others.
 */
async function run(count: number): Promise<{ readonly stepMs: readonly number[]; readonly endedAt: number }> {
  const name = `run-${runs++}`
  const times: number[] = []
  beganAt.set(name, times)
  const started = await start(WORKFLOW, [name, count])
  await started.returnValue
  if (times.length !== count) throw new Error(`${count} steps were asked for, ${times.length} were made`)
  const between = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  const last = between.length === 0 ? performance.now() - (times[0] ?? 0) : median(between)
  return { stepMs: [...between, last], endedAt: (times.at(-1) ?? 0) + last }
}

serveSteps({
  inOneRun: async (count) => (await run(count)).stepMs,
  async atOnce(many, count) {
    const began = performance.now()
    const all = await Promise.all(Array.from({ length: many }, () => run(count)))
    const ended = Math.max(...all.map(({ endedAt }) => endedAt))
    return { ms: ended - began, stepMs: all.flatMap(({ stepMs }) => stepMs) }
  },
  close: async () => void server.close(),
})

async function build(): Promise<void> {
  const builder = new StandaloneBuilder({
    buildTarget: 'standalone',
    workingDir: app,
    dirs: ['.'],
    stepsBundlePath: steps,
    workflowsBundlePath: flow,
    webhookBundlePath: `dist/${version}/webhook.cjs`,
  })
  await builder.build()
}
