/**
 * The engine on Lambda, as the conformance sections and their child processes open it: on the loopback service that
 * `AWS_ENDPOINT_URL_LAMBDA` names, with a function of its own for each folder. A worker of the sections is an execution
 * environment of that function: it asks the service for invocations, by the Runtime API.
 */
import { createHash } from 'node:crypto'
import {
  LambdaClient,
  paginateListDurableExecutionsByFunction,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda'
import type { Engine, Host, Program } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { type LambdaEngine, type LambdaOptions, lambdaEngine, lambdaHandler } from '@selvage/engine-lambda'
import { nodeRuntime } from '@selvage/runtime-node'
import type { OpenedEngine, PlaceOptions } from '@selvage/testing/conformance'
import { type LambdaHandler, lambdaRuntime } from '@selvage/testing/servers'
import { folderBlobs } from './folder-blobs.ts'

/** More than Lambda's one: a process of the sections works on a run and its children, and a suspended one holds a place. */
const AT_ONCE = 4

/** About as many as an advance costs; fewer than these an engine does not take. */
const OPERATIONS = 3
const FEWEST_OPERATIONS = 10

/** A second of the service: its waits are whole seconds. */
export const SECOND_MS = 50
/** An invocation must have time for what it is there for, on a busy machine as well. */
const SHORTEST_MS = 2_000

export async function open(
  folder: string,
  { rotateAfter, leaseMs }: PlaceOptions = {},
): Promise<OpenedEngine & { readonly engine: LambdaEngine }> {
  if (leaseMs !== undefined) await endAfter(functionOf(folder), Math.max(leaseMs, SHORTEST_MS))
  if (rotateAfter === undefined) return openOn(folder)
  return openOn(folder, { rotateAfter: { operations: Math.max(FEWEST_OPERATIONS, OPERATIONS * rotateAfter) } })
}

/** What Lambda has in place of a lease: an invocation is ended when its time is over. */
async function endAfter(functionName: string, ms: number): Promise<void> {
  const client = new LambdaClient({})
  const Timeout = Math.ceil(ms / SECOND_MS)
  await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: functionName, Timeout }))
  client.destroy()
}

export function functionOf(folder: string): string {
  return `t${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

export function openOn(
  folder: string,
  options: Partial<LambdaOptions> = {},
): OpenedEngine & { readonly engine: LambdaEngine } {
  const runtime = nodeRuntime()
  const functionName = functionOf(folder)
  const poll = { firstMs: 5, longestMs: 40 }
  const inner = lambdaEngine({ functionName, blobs: folderBlobs(folder), poll, ...options })
  const serve = async (host: Host): ReturnType<Engine['serve']> => {
    const serving = await inner.serve(host)
    const { AWS_LAMBDA_RUNTIME_API: api = '' } = process.env
    const handler = lambdaHandler(inner) as LambdaHandler
    const { stop } = await lambdaRuntime(api, handler, { functionName, concurrency: AT_ONCE })
    return {
      stop: async () => {
        await stop()
        await serving.stop()
      },
    }
  }
  const engine = Object.create(inner, { serve: { value: serve } }) as LambdaEngine
  const host = (programs: readonly Program[]) => hostOn(inner, runtime, programs)
  return { engine, host, generations: (runId) => generationsOf(functionName, runId) }
}

/** Executions of the function that drove the run; its name stands before all of them. */
async function generationsOf(functionName: string, runId: string): Promise<number> {
  const client = new LambdaClient({})
  const pages = paginateListDurableExecutionsByFunction({ client }, { FunctionName: functionName })
  let generations = 0
  for await (const { DurableExecutions: found = [] } of pages) {
    generations += found.filter(
      ({ DurableExecutionName: name = '' }) => name.startsWith(`${runId}_`) && /_\d+$/.test(name),
    ).length
  }
  client.destroy()
  return generations
}
