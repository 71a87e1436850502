/** The web server and its worker as processes, each killed in turn. */
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { type Running, run, temporaryFolder } from '../../test/process.ts'

vi.setConfig({ testTimeout: 60_000 })

const CLI = join(import.meta.dirname, '../../../apps/cli/dist/main.js')
const WORKER = join(import.meta.dirname, '../../dist/web/worker.js')

it('a report goes on where a SIGKILL of the worker stopped it, and its approval outlives both processes', async () => {
  const cwd = temporaryFolder()
  const serve = async (): Promise<{ server: Running; call: Call }> => {
    const server = run('web/server.js', { cwd })
    const url = await server.printedAs(/http:\S+/)
    return { server, call: (path, body) => call(`${url}${path}`, body) }
  }
  const work = (): Running => run(CLI, { cwd, args: ['work', WORKER] })

  const first = await serve()
  expect(await first.call('/reports', { topic: 'Q4 market trends', runId: 'q4' })).toEqual({ run: 'q4' })
  const worker = work()
  await worker.printed('search: Q4 market trends')
  worker.kill()
  await worker.ended

  const second = work()
  const [question] = await until(async () => (await first.call('/reports/q4')).questions)
  first.server.kill()
  second.kill()
  await Promise.all([first.server.ended, second.ended])

  const { server, call: ask } = await serve()
  expect(await ask('/reports/q4')).toMatchObject({ questions: [question] })
  await ask(`/approvals/${question}`, { run: 'q4', by: 'ann' })
  expect(await ask(`/approvals/${question}`, { run: 'q4', by: 'bob' })).toEqual({ error: 'ALREADY_ANSWERED' })
  const third = work()
  await until(async () => ((await ask('/reports/q4')).status === 'completed' ? ['done'] : []))
  third.kill()
  server.kill()
  const { stderr } = await third.ended
  expect(stderr).not.toContain('search:')
})

interface Told {
  readonly status?: string
  readonly questions: readonly string[]
}

type Call = (path: string, body?: unknown) => Promise<Told>

async function call(url: string, body: unknown): Promise<Told> {
  const post = { method: 'POST', body: JSON.stringify(body) }
  return (await (await fetch(url, body === undefined ? {} : post)).json()) as Told
}

async function until(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  for (;;) {
    const found = await look()
    if (found.length > 0) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
