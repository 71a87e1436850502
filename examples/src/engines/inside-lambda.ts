/**
 * The module that Lambda loads: a durable handler of yours, and an agent as a part of it. An invocation that dies is followed by
 * one that goes on: the handler where it was, and the agent inside of its run.
 *
 *   aws lambda invoke --function-name desk:live --invocation-type Event --durable-execution-name q4 \\
 *     --cli-binary-format raw-in-base64-out --payload '{"topic":"Q4 market trends"}' /dev/stdout
 */
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import { type Handler, lambdaEngine, lambdaHandler, runInside } from '@selvage/engine-lambda'
import { nodeRuntime } from '@selvage/runtime-node'
import { createAgentProgram } from '@selvage/strands'
import type { AgentRunResult } from 'selvage'
import { publish } from '../tools.ts'
import { EFFECTS, newAnalyst } from './analysis.ts'
import { bucketBlobs } from './lambda-blobs.ts'

const engine = lambdaEngine(bucketBlobs())
const runtime = nodeRuntime()
const analyst = createAgentProgram('analyst', newAnalyst, { effects: EFFECTS })

export const handler: Handler = lambdaHandler(engine, async ({ topic }: { topic: string }, ctx: DurableContext) => {
  const title = await ctx.step('title', async () => `Report of ${new Date().toDateString()}`)
  const { text } = (await runInside(ctx, analyst, topic, { engine, runtime })) as AgentRunResult
  await ctx.step('publish', () => publish(`${title}\n${text}`))
  return text
})
