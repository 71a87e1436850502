/** The outbox under SIGKILL: nothing lost, in order per run, and where twice, then with the same key. */
import { once } from 'node:events'
import { join } from 'node:path'
import type { ProbeName } from '@selvage/core'
import { LineFile } from '@selvage/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Delivery } from '../test/outbox-process.ts'
import { Workers } from '../test/workers.ts'
import type { Selvage } from './core.ts'

vi.setConfig({ testTimeout: 300_000 })

const RUNS = 3
const SENT = 6

let workers: Workers
let selvage: Selvage

beforeEach(async () => {
  workers = await Workers.open('outbox-process.ts')
  selvage = workers.selvage
})

afterEach(() => workers.close())

async function start(from: number): Promise<void> {
  const sender = selvage.reference('sender')
  for (let n = from; n < from + RUNS; n++) await sender.start(undefined, { runId: `r${n}` })
}

const ledger = (): readonly Delivery[] => new LineFile<Delivery>(join(workers.folder, 'ledger')).read()

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
function judgeOverlaps(): void {
  const killed = workers.processes.filter(({ signalCode }) => signalCode !== null).map(({ pid }) => pid)
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
  let runs = 0
  for (const [index, [moment, hit]] of KILLS.entries()) {
    await start(runs)
    runs += RUNS
    await workers.dies({ moment, hit })
    // Five deaths in a row without a step would pass for a crash loop of the runs.
    if (index % 3 < 2) continue
    const healthy = workers.spawn()
    await allDelivered(runs * SENT)
    healthy.kill('SIGKILL')
    await once(healthy, 'exit')
  }
  await judge(runs)
  judgeOverlaps()
})

test('several workers share it, and none delivers what another one has', async () => {
  await start(0)
  await workers.dies({ moment: 'engine.after-settle-message', hit: 3 })
  const [first] = [workers.spawn(), workers.spawn({ moment: 'engine.after-delivery', hit: 7 }), workers.spawn()]
  await start(RUNS)
  await start(2 * RUNS)
  await allDelivered(3 * RUNS * SENT)
  await judge(3 * RUNS)
  judgeOverlaps()
  expect(first?.signalCode).toBeNull()
})
