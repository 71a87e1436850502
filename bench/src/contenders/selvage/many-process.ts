/**
 * A table of many runs: node many-process.js <folder> <make | look | end> <count>. `make` brings some to every status there
 * is, as users would; `look` is a cold process that lists and starts; `end` works on what it has started, so that the next
 * one finds the same.
 */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSelvage } from 'selvage/core'
import type { ManyLooked } from '../../contender.ts'
import { databaseFile, urlOf } from './database.ts'

const TENANTS = 100
const LOOKS = 20
const STARTS = 200
/** One of its own for each run, and one that half of all share, and half of each tenant and status. */
const TAG = 'customer'
const SHARED_TAG = 'channel'
const WEB = { key: SHARED_TAG, value: 'web' }

const [folder = '', mode = 'make', count = '0'] = process.argv.slice(2)
const runs = Number(count)
const looking = mode === 'look'
const selvage = await openSelvage({
  url: urlOf(folder),
  durability: looking ? 'full' : 'normal',
  ...(looking && { work: false }),
})
const order = selvage.workflow(
  'order',
  async (ctx, n: number) => {
    if (n % 10 === 7) await ctx.signal('paid')
    if (n % 10 === 8) throw new Error('sold out')
    return await ctx.step('ship', () => n)
  },
  { version: '1' },
)
const rare = selvage.workflow('audit', async (ctx) => await ctx.step('look', () => 1), { version: '2' })

process.send?.(await { make, look, end }[mode as 'make' | 'look' | 'end']())
await selvage.close()
process.disconnect()

async function make(): Promise<{ made: number }> {
  await selvage.work()
  const started = await Promise.all(
    Array.from({ length: runs }, (_, n) => {
      const tags = { [TAG]: `customer-${n}`, [SHARED_TAG]: Math.floor(n / TENANTS) % 2 === 0 ? WEB.value : 'shop' }
      const options = { runId: `run-${n}`, tenant: `tenant-${n % TENANTS}`, tags }
      return n % 1_000 === 0 ? rare.start(undefined, options) : order.start(n, options)
    }),
  )
  await Promise.all(started.map((run, n) => (waits(n) ? undefined : run.result().catch(() => {}))))
  const cancelled = started.filter((_, n) => n % 100 === 17)
  await Promise.all(cancelled.map((run) => run.cancel('changed their mind')))
  await Promise.all(cancelled.map((run) => run.result().catch(() => {})))
  const late = await selvage.runs({ status: ['pending', 'running'], limit: 1 })
  if (late.items.length > 0) throw new Error('a run neither ended nor waits')
  return { made: runs }
}

async function end(): Promise<{ ended: true }> {
  await selvage.work()
  for (;;) {
    const open = await selvage.runs({ status: ['pending', 'running'], limit: 1 })
    if (open.items.length === 0) return { ended: true }
    await sleep(20)
  }
}

function waits(n: number): boolean {
  return n % 10 === 7 && n % 1_000 !== 0
}

async function look(): Promise<ManyLooked> {
  const first = await selvage.runs({ limit: 1 })
  const newest = first.items[0]?.createdAt ?? 0
  const filters = {
    'no filter': {},
    'status completed': { status: 'completed' },
    'status failed': { status: 'failed' },
    'status suspended': { status: 'suspended' },
    'status cancelled': { status: 'cancelled' },
    'status running (none)': { status: 'running' },
    'status pending or running (none)': { status: ['pending', 'running'] },
    'status failed or cancelled': { status: ['failed', 'cancelled'] },
    'program (most runs)': { program: 'order' },
    'program (few runs)': { program: 'audit' },
    version: { version: '1' },
    tenant: { tenant: 'tenant-42' },
    'tag (of one run)': { tag: { key: TAG, value: 'customer-17' } },
    'tag (of half of all)': { tag: WEB },
    'parent (none)': { parent: 'run-1' },
    'created, a range': { createdFrom: newest - 1_000, createdBefore: newest },
    'program and status failed': { program: 'order', status: 'failed' },
    'program and status running (none)': { program: 'order', status: 'running' },
    'program (few) and status failed (none)': { program: 'audit', status: 'failed' },
    'tenant and status completed': { tenant: 'tenant-42', status: 'completed' },
    'tenant and status failed (none)': { tenant: 'tenant-42', status: 'failed' },
    'tenant and program (none)': { tenant: 'tenant-42', program: 'audit' },
    'version and program (none)': { version: '1', program: 'audit' },
    'tag and tenant (half of the tenant)': { tag: WEB, tenant: 'tenant-42' },
    'tag and status failed (half of the failed)': { tag: WEB, status: 'failed' },
    'program, status failed and tenant': { program: 'order', status: 'failed', tenant: 'tenant-48' },
    'program, status failed and tenant (none)': { program: 'order', status: 'failed', tenant: 'tenant-42' },
    'the 1,000 newest': { limit: 1_000 },
    'from the middle on': { createdBefore: middleOf(folder) },
  } as const
  const lists: ManyLooked['lists'][number][] = []
  for (const [filter, query] of Object.entries(filters)) {
    const ms: number[] = []
    let found = 0
    for (let n = 0; n < LOOKS; n++) {
      const began = performance.now()
      found = (await selvage.runs(query)).items.length
      ms.push(performance.now() - began)
    }
    lists.push({ filter, ms, found })
  }
  const startMs: number[] = []
  for (let n = 0; n < STARTS; n++) {
    const began = performance.now()
    // One that comes to its end.
    await order.start(0, { runId: `new-${process.pid}-${n}`, tenant: 'tenant-1', tags: { [TAG]: 'customer-1' } })
    startMs.push(performance.now() - began)
  }
  return { lists, startMs }
}

/** When the run in the middle was started: copies have numbers in the order of their age. */
function middleOf(folder: string): number {
  const database = new DatabaseSync(databaseFile(folder), { readOnly: true })
  try {
    const sql = 'select created from run where n = (select max(n) / 2 from run)'
    return Number(database.prepare(sql).get()?.created)
  } finally {
    database.close()
  }
}
