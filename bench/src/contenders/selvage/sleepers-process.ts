/**
 * Suspended runs: node sleepers-process.js <folder> <count> <make | cold>. `make` starts them, runs each to its
 * wait, and ends. `cold` is a worker that finds them: it tells what it costs to have them, then wakes some by a signal.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openSelvage } from 'selvage/core'
import type { SleepersWoken } from '../../contender.ts'
import { urlOf } from './database.ts'

const AT_ONCE = 500
/** Before it is looked at, and while. */
const IDLE_MS = 1_000
const PAUSE_MS = 5
const MIB = 2 ** 20

const [folder = '', count = '0', mode = 'make', woken = '0', round = '0'] = process.argv.slice(2)
const runs = Number(count)
const selvage = await openSelvage({ url: urlOf(folder), durability: mode === 'make' ? 'normal' : 'full' })
let atStep: (at: number) => void = () => {}
const sleeper = selvage.workflow('sleeper', async (ctx) => {
  await ctx.signal('go')
  await ctx.step('woken', () => atStep(performance.now()))
})
process.send?.(mode === 'make' ? await make() : await cold())
await selvage.close()
process.disconnect()

async function make(): Promise<{ readonly made: number }> {
  await selvage.work()
  for (let n = 0; n < runs; n += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, runs - n) }, (_, i) =>
      sleeper.start(undefined, { runId: id(n + i) }),
    )
    await Promise.all(some)
  }
  // The last ones to be claimed are the last ones that were started, more or less.
  for (;;) {
    const pending = await selvage.runs({ status: ['pending', 'running'], limit: 1 })
    if (pending.items.length === 0) return { made: runs }
    await sleep(50)
  }
}

async function cold(): Promise<SleepersWoken> {
  const before = resident()
  await selvage.work()
  await sleep(IDLE_MS)
  const after = resident()
  const cpu = process.cpuUsage()
  await sleep(IDLE_MS)
  const { user, system } = process.cpuUsage(cpu)
  const wakeMs: number[] = []
  const step = Math.max(1, Math.floor(runs / Math.max(1, Number(woken))))
  // Those of the rounds before have ended.
  for (let n = Number(round); n < runs && wakeMs.length < Number(woken); n += step) {
    const { promise, resolve } = Promise.withResolvers<number>()
    atStep = resolve
    const run = sleeper.run(id(n))
    const sent = performance.now()
    await run.signal('go')
    wakeMs.push((await promise) - sent)
    await run.result()
    await sleep(PAUSE_MS)
  }
  return {
    openedMiB: before,
    idleMiB: after,
    wokenMiB: resident(),
    idleCpu: (user + system) / 1_000 / IDLE_MS,
    wakeMs,
  }
}

function resident(): number {
  return process.memoryUsage.rss() / MIB
}

function id(n: number): string {
  return `sleeper-${n}`
}
