/**
 * Two Selvages on one PostgreSQL whose connections end all the time, wherever they are: in a commit, between a commit and its
 * answer, while a worker is known to live by one of them. Nobody has died, so nothing is made twice, and nobody is asked
 * whether an effect has happened.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { afterAll, expect, test } from 'vitest'
import { openSelvage, type ProgramHandle, type Selvage } from './index.ts'

const RUNS = Array.from({ length: 24 }, (_, n) => `r${n}`)
const ROUNDS = [0, 1, 2, 3]

const missing = noPostgres()
const server = missing === undefined ? await PostgresTestServer.open() : undefined
afterAll(() => server?.close())
if (missing !== undefined) console.info(`postgres: skipped: ${missing}`)

class Counts {
  readonly #counts = new Map<string, number>()

  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  get size(): number {
    return this.#counts.size
  }

  get repeated(): readonly string[] {
    return [...this.#counts].filter(([, count]) => count > 1).map(([what]) => what)
  }
}

interface Place {
  readonly selvage: Selvage
  readonly ordering: ProgramHandle<unknown, string>
}

/** `done` counts what steps do, `mails` what is delivered. */
async function open(url: string, done: Counts, mails: Counts): Promise<Place> {
  const selvage = await openSelvage({ url, logger: { info() {}, warn() {}, error() {} } })
  selvage.outbox('mail', ({ idempotencyKey }) => mails.add(idempotencyKey))
  const paying = selvage.workflow('paying', async (ctx, amount: number) => {
    await ctx.step('charge', () => done.add(`${ctx.runId} charge`), { effect: 'once' })
    await ctx.sleep(20)
    return amount
  })
  const ordering = selvage.workflow('ordering', async (ctx) => {
    for (const round of ROUNDS) {
      const book = async (): Promise<void> => {
        done.add(`${ctx.runId} book ${round}`)
        await sleep(20 * Math.random())
      }
      const look = ctx.step('look', (at) => {
        done.add(`${ctx.runId} look ${round}`)
        at.send('mail', { round })
      })
      await Promise.all([ctx.step('book', book, { effect: 'once' }), look])
      await ctx.child(paying, round)
      await ctx.approval('go on')
    }
    return 'done'
  })
  return { selvage, ordering }
}

/** Until all is over; resolves with how many connections ended. */
async function cutting(url: string, over: () => boolean): Promise<number> {
  let count = 0
  while (!over()) {
    await sleep(30 + 100 * Math.random())
    count += (await server?.cut(url, 0.7)) ?? 0
  }
  return count
}

/** Until all is over somebody says yes to all that is asked; resolves with what kinds of questions there were. */
async function answering(selvage: Selvage, over: () => boolean): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>()
  while (!over()) {
    const { items } = await selvage.approvals({ limit: 100 })
    for (const { kind } of items) kinds.add(kind)
    await Promise.all(items.map(({ id, runId }) => selvage.run(runId).approve(id, { by: 'ann' })))
    await sleep(20)
  }
  return kinds
}

test.skipIf(missing !== undefined)(
  'connections that end all the time cost nothing but time',
  async () => {
    const url = (await server?.createDatabase()) ?? ''
    const done = new Counts()
    const mails = new Counts()
    const [here, there] = [await open(url, done, mails), await open(url, done, mails)]
    let isOver = false
    const over = (): boolean => isOver
    const cuts = cutting(url, over)
    for (const runId of RUNS) await here.ordering.start(undefined, { runId })
    const kinds = answering(there.selvage, over)
    const results = await Promise.all(RUNS.map((runId) => there.selvage.run(runId).result()))
    isOver = true
    expect(results).toEqual(RUNS.map(() => 'done'))
    expect([...(await kinds)]).toEqual(['approval'])
    expect(await cuts).toBeGreaterThan(100)
    await here.selvage.close()
    await there.selvage.close()
    const rounds = RUNS.length * ROUNDS.length
    expect({ done: done.size, mails: mails.size }).toEqual({ done: 3 * rounds, mails: rounds })
    expect([...done.repeated, ...mails.repeated]).toEqual([])
  },
  120_000,
)
