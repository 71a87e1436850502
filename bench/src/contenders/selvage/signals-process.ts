/**
 * One end of a signal, or of a person's answer, or both: node signals-process.js <folder> <both | work | send> <signal |
 * approval>. What is sent carries the time at which it was sent, by a clock that all processes of a machine share. Who only
 * works says that its run is there before it answers; who only sends answers nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openSelvage } from 'selvage/core'
import { serveWakes, type WakesRequest } from '../../serve-wakes.ts'
import { urlOf } from './database.ts'

/** Long enough for the run to be suspended, and out of step with every timer of ours. */
const PAUSE_MS = 23

const [folder = '', role = 'both', kind = 'signal'] = process.argv.slice(2)
const selvage = await openSelvage({ url: urlOf(folder), work: role !== 'send' })
let latencies: number[] = []
const workflow = selvage.workflow('listener', async (ctx, wanted: number) => {
  for (let n = 0; n < wanted; n++) {
    const sentAt =
      kind === 'signal' ? await ctx.signal<bigint>('go') : BigInt((await ctx.approval(`publish-${n}`)).by ?? 0)
    await ctx.step('heard', () => {
      latencies.push(Number(process.hrtime.bigint() - sentAt) / 1e6)
    })
  }
})

serveWakes(role === 'send' ? sendAll : listen)

async function listen(request: WakesRequest): Promise<readonly number[]> {
  latencies = []
  const run = await workflow.start(request.count, { runId: runIdOf(request) })
  if (role === 'work') process.send?.('listening')
  else await sendAll(request)
  await run.result()
  return latencies
}

async function sendAll(request: WakesRequest): Promise<readonly number[]> {
  const run = workflow.run(runIdOf(request))
  for (let n = 0; n < request.count; n++) {
    await sleep(PAUSE_MS)
    if (kind === 'signal') await run.signal('go', process.hrtime.bigint())
    else await run.approve(await openQuestion(run.id, n), { by: String(process.hrtime.bigint()) })
  }
  return []
}

function runIdOf({ round }: WakesRequest): string {
  return `listener-${round}`
}

/** Looked for before the time begins, as whoever answers has been told its id. */
async function openQuestion(runId: string, n: number): Promise<string> {
  for (;;) {
    const { items } = await selvage.approvals({ runId })
    const found = items.find(({ key }) => key.includes(`publish-${n}`))
    if (found !== undefined) return found.id
    await sleep(1)
  }
}
