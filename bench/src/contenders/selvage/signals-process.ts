/**
 * One end of a signal, or of a person's answer, or both:
 * node signals-process.js <folder> <count> <both | work | send> <signal | approval>. What is sent carries the time at
 * which it was sent, by a clock that all processes of a machine share.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openSelvage } from 'selvage/core'
import { urlOf } from './database.ts'

/** Long enough for the run to be suspended, and out of step with every timer of ours. */
const PAUSE_MS = 23

const [folder = '', count = '0', role = 'both', kind = 'signal'] = process.argv.slice(2)
const selvage = await openSelvage({ url: urlOf(folder), work: role !== 'send' })
const latencies: number[] = []
const workflow = selvage.workflow('listener', async (ctx, wanted: number) => {
  for (let n = 0; n < wanted; n++) {
    const sentAt =
      kind === 'signal' ? await ctx.signal<bigint>('go') : BigInt((await ctx.approval(`publish-${n}`)).by ?? 0)
    await ctx.step('heard', () => {
      latencies.push(Number(process.hrtime.bigint() - sentAt) / 1e6)
    })
  }
})

if (role === 'send') {
  await send()
} else {
  const run = await workflow.start(Number(count), { runId: 'listener' })
  process.send?.('listening')
  if (role === 'both') await send()
  await run.result()
  process.send?.(latencies)
}
await selvage.close()
process.disconnect()

async function send(): Promise<void> {
  const run = workflow.run('listener')
  for (let n = 0; n < Number(count); n++) {
    await sleep(PAUSE_MS)
    if (kind === 'signal') await run.signal('go', process.hrtime.bigint())
    else await run.approve(await openQuestion(n), { by: String(process.hrtime.bigint()) })
  }
}

/** Looked for before the time begins, as whoever answers has been told its id. */
async function openQuestion(n: number): Promise<string> {
  for (;;) {
    const { items } = await selvage.approvals({ runId: 'listener' })
    const found = items.find(({ key }) => key.includes(`publish-${n}`))
    if (found !== undefined) return found.id
    await sleep(1)
  }
}
