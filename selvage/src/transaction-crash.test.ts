/** Transactions under SIGKILL: rows and entry together or neither, and never twice; the loser of a run writes no row. */
import { once } from 'node:events'
import type { Moment } from '@selvage/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Workers } from '../test/workers.ts'
import type { Selvage } from './core.ts'

vi.setConfig({ testTimeout: 300_000 })

const RUNS = 3
const PURSE = 1_000

let workers: Workers
let selvage: Selvage
let runs = 0

beforeEach(async () => {
  workers = await Workers.open('transaction-process.ts')
  selvage = workers.selvage
  runs = 0
  // Nothing in these tables would refuse a row that comes twice.
  await selvage.transaction((db) => {
    db.exec('create table app_paid (run text, n integer); create table app_purse (amount integer)')
    db.run('insert into app_purse values (?)', PURSE)
  })
})

afterEach(() => workers.close())

async function start(count: number): Promise<void> {
  const payer = selvage.reference('payer')
  for (let n = 0; n < count; n++) await payer.start(undefined, { runId: `r${runs++}` })
}

async function allDone(): Promise<void> {
  for (let n = 0; n < runs; n++) await selvage.run(`r${n}`).result()
}

/** One look at both, as nobody writes meanwhile. */
async function judge(): Promise<void> {
  const { paid, purse } = await selvage.transaction((db) => ({
    paid: db.all<{ run: string; n: number }>('select run, n from app_paid order by rowid'),
    purse: db.get<{ amount: number }>('select amount from app_purse')?.amount,
  }))
  const recorded: { run: string; n: number }[] = []
  let sent = 0
  for (let n = 0; n < runs; n++) {
    for (const entry of await selvage.run(`r${n}`).journal()) {
      sent += entry.sent?.length ?? 0
      const number = entry.type === 'step' && 'ok' in entry.outcome && /^pay (\d)$/.exec(entry.key)?.[1]
      if (number) recorded.push({ run: `r${n}`, n: Number(number) })
    }
  }
  const inOrder = (rows: readonly { run: string; n: number }[]): string[] =>
    rows.map(({ run, n }) => `${run} ${n}`).sort()
  expect(inOrder(paid)).toEqual(inOrder(recorded))
  expect(new Set(inOrder(paid)).size).toBe(paid.length)
  expect(PURSE - (purse ?? 0)).toBe(paid.filter(({ n }) => n <= 3).length)
  expect(sent).toBe(PURSE - (purse ?? 0))
  expect((await selvage.messages({ limit: 1_000 })).items).toHaveLength(sent)
}

const KILLS: readonly (readonly [Moment, number])[] = [
  ['effect.before', 1],
  ['host.before-append', 2],
  ['store.before-commit', 3],
  ['effect.before', 4],
  ['store.after-commit', 3],
  ['host.after-append', 2],
  ['store.before-commit', 5],
  ['effect.before', 8],
  ['store.after-commit', 6],
  ['host.after-append', 7],
  ['host.before-append', 9],
  ['store.before-commit', 8],
]

test('killed at every probe, rows and entries are there together or not at all, and once', async () => {
  for (const [index, [moment, hit]] of KILLS.entries()) {
    await start(RUNS)
    await workers.dies({ moment, hit })
    await judge()
    // Five deaths in a row without a step would pass for a crash loop of the runs.
    if (index % 3 < 2) continue
    const healthy = workers.spawn()
    await allDone()
    healthy.kill('SIGKILL')
    await once(healthy, 'exit')
    await judge()
  }
})

test('a worker that stood still writes no row of a run that another one has finished', async () => {
  await start(1)
  const stopped = workers.spawn({ moment: 'host.before-append', hit: 3, signal: 'SIGSTOP' })
  while ((await selvage.run('r0').status()).steps < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  workers.spawn()
  await allDone()
  await judge()
  stopped.kill('SIGCONT')
  stopped.stdin?.end()
  expect(await once(stopped, 'exit')).toEqual([0, null])
  await judge()
})
