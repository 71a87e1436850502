/** Several people decide while workers die between each vote, the decision and what follows from it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProbeName } from '@selvage/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openSelvage, type Selvage, type SelvageError } from './core.ts'

vi.setConfig({ testTimeout: 120_000 })

const MODULE = join(import.meta.dirname, '../test/quorum-process.ts')

let folder: string
let selvage: Selvage
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-quorum-'))
  selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, work: false })
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

function worker(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=@selvage/source', MODULE, folder, ...args], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  children.push(child)
  return child
}

// Appends of a run: the question; each vote with its wait; the decision's step; its signal; its wait; the step; the end.
const PLACES: readonly [ProbeName, number][] = [1, 2, 3, 4, 5, 6].flatMap((hit) => [
  ['host.before-append', hit],
  ['host.after-append', hit],
])

test('a worker that dies around every write: each vote counts once, one decision, one payment', async () => {
  const run = await selvage.reference('pay').start(undefined, { runId: 'r' })
  const places = PLACES.map(([probe, hit]) => [probe, String(hit)])
  let dying = worker(...(places.shift() ?? []))
  let kills = 0
  let id = ''
  const votes = ['ann', 'bob', 'cy']
  const told: string[] = []
  while ((await run.status()).status !== 'completed') {
    if (dying.signalCode !== null) {
      kills += 1
      dying = worker(...(places.shift() ?? []))
    }
    const { items } = await selvage.approvals({ runId: 'r' })
    id = items[0]?.id ?? id
    // One person at a time, each of them twice.
    const by =
      items.length > 0 ? votes.find((name) => told.filter((one) => one.startsWith(name)).length < 2) : undefined
    if (by !== undefined) {
      const how = await run.approve(id, { by }).then(
        () => 'counts',
        (error: SelvageError) => error.code,
      )
      told.push(`${by} ${how}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(await run.result()).toBe(true)
  expect(kills).toBeGreaterThan(2)
  const counted = told.filter((one) => one.endsWith('counts'))
  expect(counted).toEqual([...new Set(counted)])
  const journal = await run.journal()
  const ids = journal.flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : []))
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((one) => one === id)).toHaveLength(1)
  expect(journal.filter((entry) => entry.type === 'step' && entry.key === 'paid')).toHaveLength(1)
  expect(new Set(readFileSync(join(folder, 'paid'), 'utf8').trimEnd().split('\n'))).toEqual(new Set(['true ann, bob']))
  await expect(run.approve(id, { by: 'cy' })).rejects.toMatchObject({
    code: 'ALREADY_ANSWERED',
    details: { by: 'ann, bob', value: { approved: true } },
  })
})
