/** A durable handler of a user's, which runs a program of ours between two steps of its own. */
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import type { Program } from '@selvage/core'
import { type Handler, lambdaEngine, lambdaHandler, runInside } from '@selvage/engine-lambda'
import { nodeRuntime } from '@selvage/runtime-node'
import { folderBlobs } from './folder-blobs.ts'

const { SELVAGE_TEST_FOLDER: folder = '' } = process.env
const effects = join(folder, 'effects')
const act = (line: string): void => appendFileSync(effects, `${line}\n`)
const runtime = nodeRuntime()
const engine = lambdaEngine({ blobs: folderBlobs(folder) })

/** Dies once in its first step, then asks. */
const careful: Program = {
  name: 'careful',
  resume: 'replay',
  async run(durable) {
    const drafted = await durable.step({ key: 'draft', kind: 'code', name: 'draft' }, () => {
      const isFirst = !readFileSync(effects, 'utf8').includes('draft')
      act('draft')
      if (isFirst) process.kill(process.pid, 'SIGKILL')
      return `draft of ${String(durable.start.input)}`
    })
    const question = { id: `ap_${durable.runId}`, kind: 'approval', name: 'send' } as const
    await durable.open('approval:send', question)
    const answer = await durable.wait<{ approved: boolean }>('approval:send', question.id)
    if (!answer.ok || !answer.value.approved) throw new Error('nobody wants it')
    return drafted
  },
}

export const handler: Handler = lambdaHandler(engine, async (event: { topic: string }, ctx: DurableContext) => {
  const stock = await ctx.step('stock', async () => act('stock'))
  const text = await runInside(ctx, careful, event.topic, { engine, runtime }).catch((error: Error) => error.message)
  await ctx.step('mail', async () => act(`mail ${String(text)}`))
  return { stock, text }
})
