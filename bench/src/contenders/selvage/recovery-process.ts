/**
 * A worker with one run of many steps: node recovery-process.js <folder> <steps> <make | take>. `make` starts the run
 * and stands still in the step behind them; `take` finds it, makes that step, and stands still in the next one. It is
 * killed there.
 */
import type { Recovery } from '../../contender.ts'

const nodeStarted = performance.now()
const { openSelvage } = await import('selvage/core')
const { sqliteStore } = await import('@selvage/store-sqlite')
const { onProbe } = await import('@selvage/core')
const { payloads } = await import('../../payload.ts')
const { databaseFile } = await import('./database.ts')
const imported = performance.now()

const [folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const steps = Number(count)
const times = { opened: 0, claimed: 0, loaded: 0 }
let repeated = 0
let more = 0
let report: Recovery | { readonly made: number } = { made: steps }

const store = await sqliteStore({ path: databaseFile(folder), durability: mode === 'make' ? 'normal' : 'full' })
const watched = {
  ...store,
  load: async (...args: Parameters<typeof store.load>) => {
    const entries = await store.load(...args)
    times.loaded = performance.now()
    return entries
  },
}
onProbe((name) => {
  if (name === 'engine.after-claim') times.claimed = performance.now()
})
const selvage = await openSelvage({ store: watched })
const payload = payloads(300)
const workflow = selvage.workflow('long', async (ctx) => {
  for (let n = 0; n < steps; n++) {
    await ctx.step('step', () => {
      repeated++
      return payload(n)
    })
  }
  for (;;) await ctx.step('more', () => another())
})
times.opened = performance.now()
if (mode === 'make') await workflow.start(undefined, { runId: 'long' })
else await selvage.work()

function another(): Promise<void> | undefined {
  const nextStep = performance.now()
  more++
  if (mode === 'make' || more === 2) {
    process.send?.(report)
    return new Promise(() => {})
  }
  report = { nodeStarted, imported, ...times, nextStep, repeated }
  return undefined
}
