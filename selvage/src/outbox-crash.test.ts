/** The outbox under SIGKILL: nothing lost, in order per run, and where twice, then with the same key. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProbeName } from '@selvage/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openSelvage, type Selvage } from './core.ts'

vi.setConfig({ testTimeout: 300_000 })

const MODULE = join(import.meta.dirname, '../test/outbox-process.ts')
const RUNS = 3
const SENT = 6

let folder: string
let selvage: Selvage
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-outbox-'))
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

async function start(from: number): Promise<void> {
  const sender = selvage.reference('sender')
  for (let n = from; n < from + RUNS; n++) await sender.start(undefined, { runId: `r${n}` })
}

interface Line {
  readonly what: 'begin' | 'end'
  readonly id: string
  readonly runId: string
  readonly payload: number
  readonly pid: number
}

function ledger(): Line[] {
  const file = join(folder, 'ledger')
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

async function allDelivered(count: number): Promise<void> {
  for (;;) {
    const { items } = await selvage.messages({ limit: 1_000 })
    if (items.length === count && items.every(({ state }) => state === 'delivered')) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What the ledger of the outside must say whatever was killed. */
async function judge(runs: number): Promise<void> {
  const lines = ledger()
  for (let n = 0; n < runs; n++) {
    const runId = `r${n}`
    const ended = lines.filter((line) => line.runId === runId && line.what === 'end')
    const firsts = [...new Map(ended.map((line) => [line.id, line])).values()]
    expect(
      firsts.map(({ payload }) => payload),
      runId,
    ).toEqual([1, 2, 3, 4, 5, 6])
    const sent = (await selvage.run(runId).journal()).flatMap((entry) => entry.sent ?? [])
    expect(firsts.map(({ id }) => id)).toEqual(sent.map(({ id }) => id))
    // Once a later one has begun nobody begins an earlier one again.
    const begun = lines.filter((line) => line.runId === runId && line.what === 'begin').map(({ payload }) => payload)
    expect(begun).toEqual(begun.toSorted((a, b) => a - b))
  }
}

/** Nobody begins a message that another process, alive, is delivering. */
function judgeOverlaps(killed: readonly number[]): void {
  const open = new Map<string, number>()
  for (const { what, id, runId, pid } of ledger()) {
    const other = open.get(runId)
    if (what === 'begin' && other !== undefined && other !== pid && !killed.includes(other)) {
      throw new Error(`${id} was begun by ${pid} while ${other} delivered a message of ${runId}`)
    }
    if (what === 'begin') open.set(runId, pid)
    else open.delete(runId)
  }
}

const KILLS: readonly (readonly [ProbeName, number])[] = [
  ['host.before-append', 3],
  ['host.after-append', 3],
  ['store.before-commit', 4],
  ['store.after-commit', 5],
  ['engine.after-claim-message', 1],
  ['engine.after-claim-message', 3],
  ['engine.after-delivery', 1],
  ['engine.after-delivery', 4],
  ['engine.after-settle-message', 1],
  ['engine.after-settle-message', 5],
  ['store.before-commit', 9],
  ['store.after-commit', 11],
]

test('workers that are killed at every probe lose nothing and mix nothing up', async () => {
  const killed: number[] = []
  let runs = 0
  for (const [probe, hit] of KILLS) {
    await start(runs)
    runs += RUNS
    const child = worker(probe, String(hit))
    const [, signal] = await once(child, 'exit')
    expect(signal, `${probe} ${hit}`).toBe('SIGKILL')
    killed.push(child.pid ?? 0)
    // Five deaths in a row without a step would pass for a crash loop of the runs.
    if (killed.length % 4 < 3) continue
    const healthy = worker()
    await allDelivered(runs * SENT)
    healthy.kill('SIGKILL')
    killed.push(healthy.pid ?? 0)
  }
  await judge(runs)
  judgeOverlaps(killed)
})

test('several workers share it, and none delivers what another one has', async () => {
  await start(0)
  await once(worker('engine.after-settle-message', '3'), 'exit')
  const [first] = [worker(), worker('engine.after-delivery', '7'), worker()]
  await start(RUNS)
  await start(2 * RUNS)
  await allDelivered(3 * RUNS * SENT)
  await judge(3 * RUNS)
  judgeOverlaps(children.filter((child) => child.signalCode !== null).map(({ pid }) => pid ?? 0))
  expect(first?.signalCode).toBeNull()
})
