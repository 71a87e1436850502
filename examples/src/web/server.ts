/**
 * A web server that starts runs, shows them and takes approvals, on plain `node:http`: routes of Express, Fastify, Hono or Next.js do the
 * same with `opened()`. Killed or deployed anew it loses nothing: runs are the workers' (worker.ts).
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { SelvageError } from 'selvage'
import { opened } from './opened.ts'

async function answer(request: IncomingMessage): Promise<unknown> {
  const selvage = await opened()
  const [, what, id = ''] = (request.url ?? '').split('/')
  switch (`${request.method} ${what}`) {
    case 'POST reports': {
      const { topic, runId } = (await json(request)) as { topic: string; runId: string }
      const run = await selvage.reference('analyst', { version: '1' }).start(topic, { runId })
      return { run: run.id }
    }
    case 'GET reports': {
      const { status, outcome } = await selvage.run(id).status()
      const { items } = await selvage.approvals({ runId: id })
      return { status, outcome, questions: items.map((item) => item.id) }
    }
    case 'POST approvals': {
      const { run, by } = (await json(request)) as { run: string; by: string }
      await selvage.run(run).approve(id, { by })
      return { approved: id }
    }
    default:
      throw new SyntaxError('There is no such route.')
  }
}

const server = createServer((request, response) => {
  const reply = (code: number, body: unknown): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  answer(request).then(
    (body) => reply(200, body),
    (error) =>
      reply(error instanceof SyntaxError ? 404 : 409, { error: SelvageError.is(error) ? error.code : String(error) }),
  )
})

server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
