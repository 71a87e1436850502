/**
 * A worker with one agent: node agent-recovery-process.js <folder> <cycles> <make | take>. `make` comes to the tool of the
 * last cycle and stands still in it; `take` is a cold process that finds the run and stands still in the first call of
 * model or tool that it makes. Both are killed there.
 */
import { flushCompileCache } from 'node:module'
import type { AgentRecovery } from '../../contender.ts'
import { published } from '../../published.ts'

const RESULT_BYTES = 200
const nodeStarted = performance.now()
await import('@strands-agents/sdk')
await import('@strands-agents/sdk/multiagent')
await import('@strands-agents/sdk/vended-interventions/steering')
await import('@strands-agents/sdk/vended-tools/bash')
const sdkImported = performance.now()
const { openSelvage } = await published<typeof import('selvage')>('selvage')
const { sqliteStore } = await published<typeof import('@selvage/store-sqlite')>('@selvage/store-sqlite')
const { onProbe } = await published<typeof import('@selvage/core')>('@selvage/core')
const { instantAgent } = await import('../../cycles/instant-agent.ts')
const { databaseFile } = await import('./database.ts')
const imported = performance.now()

const [folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const cycles = Number(count)
const making = mode === 'make'
const times = { claimed: 0, loaded: 0, made: 0 }
const store = await sqliteStore({ path: databaseFile(folder), durability: making ? 'normal' : 'full' })
const watched = {
  ...store,
  load: async (...args: Parameters<typeof store.load>) => {
    const entries = await store.load(...args)
    times.loaded ||= performance.now()
    return entries
  },
}
onProbe((name) => {
  if (name === 'engine.after-claim') times.claimed ||= performance.now()
})
const selvage = await openSelvage({ store: watched })
const reader = selvage.agent(
  'reader',
  () => {
    times.made ||= performance.now()
    return instantAgent({ cycles: cycles + 10, resultBytes: RESULT_BYTES }, { model: called, tool: asked }).agent
  },
  { effects: { read: 'read' } },
)
const opened = performance.now()
if (making) await reader.start('Read all of it.', { runId: 'reader' })
else await selvage.work()

function called(): void {
  if (!making) tell('model')
}

function asked(part: number): Promise<void> | undefined {
  if (making && part < cycles) return undefined
  if (making) process.send?.({ made: part })
  else tell('tool', part)
  return new Promise(() => {})
}

function tell(kind: 'model' | 'tool', part?: number): void {
  const report: AgentRecovery = {
    ...{ nodeStarted, sdkImported, imported, opened, ...times },
    nextStep: performance.now(),
    repeated: kind === 'tool' && part === cycles ? 0 : 1,
  }
  // It is killed, and would leave nothing to the one that is measured after it.
  flushCompileCache()
  process.send?.(report)
}
