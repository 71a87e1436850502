/** I4 with real processes: fifty people answer one approval from fifty processes at the same time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSelvage } from '../core.ts'

const PEOPLE = 50

let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-fifty-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Opens, says so, waits to be told, answers, and says what came of it. */
const ANSWER = `
  import { once } from 'node:events'
  import { openSelvage } from ${JSON.stringify(join(import.meta.dirname, '../../dist/core.js'))}
  const [url, runId, id, n] = process.argv.slice(1)
  const selvage = await openSelvage({ url, work: false })
  const run = selvage.run(runId)
  await run.status()
  console.log('ready')
  await once(process.stdin, 'data')
  const by = 'person ' + n
  const answered = n % 2 === 0 ? run.approve(id, { by, input: { n: Number(n) } }) : run.reject(id, { by, reason: 'no ' + n })
  const told = await answered.then(
    () => ({ first: by }),
    ({ code, details: { by, at, value }, message }) => ({ code, by, at, value, message }),
  )
  console.log(JSON.stringify(told))
  await selvage.close()
  process.exit()
`

interface Person {
  ready(): Promise<unknown>
  go(): void
  told(): Promise<{ first?: string; code?: string; by?: string; at?: number; value?: unknown; message?: string }>
}

function person(...args: readonly string[]): Person {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', ANSWER, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    ready: () => lines.next(),
    go: () => child.stdin.write('go\n'),
    told: async () => JSON.parse((await lines.next()).value ?? 'null'),
  }
}

test(`one of ${PEOPLE} answers counts, and its effect happens once; the others are told who was first, when and with what`, {
  timeout: 120_000,
}, async () => {
  const url = `sqlite:${join(folder, 'a.db')}`
  const selvage = await openSelvage({ url })
  try {
    let published = 0
    const report = selvage.workflow('report', async (ctx) => {
      const answer = await ctx.approval('publish')
      const effect = (): number => ++published
      await ctx.step(answer.approved ? 'publish' : 'archive', effect, { effect: 'once' })
      return answer
    })
    const run = await report.start(undefined, { runId: 'r' })
    let id = ''
    for await (const event of run.events()) {
      if (event.type !== 'questionOpened') continue
      id = (await selvage.approvals({ runId: 'r' })).items[0]?.id ?? ''
      break
    }

    const people = Array.from({ length: PEOPLE }, (_, n) => person(url, 'r', id, String(n)))
    await Promise.all(people.map((each) => each.ready()))
    for (const each of people) each.go()
    const told = await Promise.all(people.map((each) => each.told()))

    const firsts = told.filter(({ first }) => first !== undefined)
    expect(firsts.length).toBe(1)
    const by = firsts[0]?.first
    const n = Number(by?.slice('person '.length))
    const value = n % 2 === 0 ? { approved: true, input: { n } } : { approved: false, reason: `no ${n}` }
    const result = await run.result()
    expect(result).toEqual({ ...value, by, at: expect.any(Number) })
    const others = told.filter(({ first }) => first === undefined)
    expect(others).toEqual(
      Array.from({ length: PEOPLE - 1 }, () => ({
        code: 'ALREADY_ANSWERED',
        by,
        at: result.at,
        value,
        message: expect.stringContaining(id),
      })),
    )
    expect(published).toBe(1)
    const journal = await run.journal()
    expect(journal.filter((entry) => entry.type === 'signal' && entry.signal.id === id).length).toBe(1)
    expect(journal.filter((entry) => entry.type === 'intent').length).toBe(1)
  } finally {
    await selvage.close()
  }
})
