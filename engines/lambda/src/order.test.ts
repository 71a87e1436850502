/**
 * Signals are taken in the order in which they were accepted, whatever the service does with what carries them: it begins
 * executions in any order, its lists and histories lag behind, and senders die.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LambdaClient, SendDurableExecutionCallbackSuccessCommand } from '@aws-sdk/client-lambda'
import type { Outcome, Signal } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { nodeRuntime } from '@selvage/runtime-node'
import { type LambdaHandler, LambdaTestService, lambdaRuntime } from '@selvage/testing/servers'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import { folderBlobs } from '../test/folder-blobs.ts'
import { programs } from '../test/programs.ts'
import { type LambdaEngine, lambdaEngine } from './engine.ts'
import { lambdaHandler } from './lambda-handler.ts'

vi.setConfig({ testTimeout: 90_000 })

const MANY = Array.from({ length: 12 }, (_, n) => n + 1)
const item = (n: number, payload: Signal['payload'] = n): Signal => ({ id: `i${n}`, name: 'item', payload })

/** What the service does to the executions of signals, and to those who look. */
const trouble = { delayMs: (_: string): number => 0, lagMs: 0 }
const service = await LambdaTestService.open({
  secondMs: 50,
  delayMs: (name) => trouble.delayMs(name),
  get lagMs() {
    return trouble.lagMs
  },
})
afterAll(() => service.close())
// The SDK's own client.
Object.assign(process.env, service.env)

const closing: (() => unknown)[] = []
afterEach(async () => {
  Object.assign(trouble, { delayMs: () => 0, lagMs: 0 })
  for (const close of closing.splice(0).reverse()) await close()
})

/** A function of its own. `caller`: another process, for all it knows. `work`: from here on somebody makes invocations. */
function deployed(functionName: string, { blobs = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-lambda-order-'))
  closing.push(() => rmSync(folder, { recursive: true, force: true }))
  const caller = (): { readonly engine: LambdaEngine; readonly client: LambdaClient } => {
    const client = new LambdaClient({})
    const poll = { firstMs: 5, longestMs: 40 }
    const own = { functionName, client, poll, onError: () => {}, ...(blobs && { blobs: folderBlobs(folder) }) }
    const engine = lambdaEngine(own)
    closing.push(
      () => client.destroy(),
      () => engine.close(),
    )
    return { engine, client }
  }
  const work = async (): Promise<void> => {
    const { engine } = caller()
    await engine.serve(
      hostOn(
        engine,
        nodeRuntime(),
        programs(() => {}),
      ),
    )
    const api = service.url.slice('http://'.length)
    const handler = lambdaHandler(engine) as LambdaHandler
    const runtime = await lambdaRuntime(api, handler, { functionName, concurrency: 6 })
    closing.push(() => runtime.stop())
  }
  return { caller, work }
}

async function until(engine: LambdaEngine, runId: string, status: string): Promise<void> {
  for (let seen = await engine.describe(runId); seen.status !== status; seen = await engine.describe(runId)) {
    await engine.changed(runId, seen)
  }
}

async function ended(engine: LambdaEngine, runId: string): Promise<Outcome | undefined> {
  for (;;) {
    const { status, outcome } = await engine.describe(runId)
    if (outcome !== undefined) return outcome
    await engine.changed(runId, { status })
  }
}

it('a burst before the run has begun, whose executions begin in the opposite order', async () => {
  let begun = 0
  trouble.delayMs = (name) => (/_\d+$/.test(name) ? 0 : 2_000 - 60 * begun++)
  const { caller, work } = deployed('reverse')
  const { engine } = caller()
  await engine.start('r', { program: 'collect', input: 12 })
  for (const n of MANY) expect(await engine.signal('r', item(n))).toEqual({ accepted: true })
  await work()
  expect(await ended(engine, 'r')).toEqual({ ok: MANY })
})

it('a burst by two senders in turn, to a run that takes it, where lists and histories lag behind', async () => {
  trouble.lagMs = 60
  const { caller, work } = deployed('lagging')
  const senders = [caller().engine, caller().engine] as const
  await senders[0].start('r', { program: 'collect', input: 12 })
  await work()
  await expect.poll(() => senders[1].describe('r').catch(() => ({})), { timeout: 10_000 }).toMatchObject({ id: 'r' })
  for (const n of MANY) expect(await senders[n % 2 === 0 ? 0 : 1].signal('r', item(n))).toEqual({ accepted: true })
  expect(await ended(senders[0], 'r')).toEqual({ ok: MANY })
})

it('a sender that dies before its signal has a number: it counts, and whoever sends it again is before the next', async () => {
  const { caller, work } = deployed('dying')
  const { engine, client } = caller()
  const { engine: another } = caller()
  await engine.start('r', { program: 'collect', input: 3 })
  client.middlewareStack.add((next) => async (args) => {
    const { DurableExecutionName: name = '' } = args.input as { readonly DurableExecutionName?: string }
    if (/_q\d+$/.test(name)) throw new Error('the sender is dead')
    return await next(args)
  })
  await expect(engine.signal('r', item(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await another.signal('r', item(1, 'of another'))).toMatchObject({ accepted: false, first: { payload: 1 } })
  expect(await another.signal('r', item(2))).toEqual({ accepted: true })
  await expect(engine.signal('r', item(3))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await work()
  expect(await ended(another, 'r')).toEqual({ ok: [1, 2, 3] })
})

it('more than callbacks are open, to a run that is not to start for an hour, and then its cancel', async () => {
  const { caller, work } = deployed('resting')
  const { engine } = caller()
  await engine.start('r', { program: 'collect', input: 9 }, { startAt: Date.now() + 3_600_000 })
  await work()
  for (const n of MANY.slice(0, 8)) await engine.signal('r', item(n))
  expect(await engine.describe('r')).toMatchObject({ status: 'pending' })
  await engine.cancel('r', 'not any more')
  expect(await ended(engine, 'r')).toEqual({ cancelled: 'not any more' })
})

it('without blobs: signals that fit one by one and not together', async () => {
  const { caller, work } = deployed('small', { blobs: false })
  const { engine } = caller()
  await engine.start('r', { program: 'sizes', input: 6 })
  for (const n of MANY.slice(0, 6)) await engine.signal('r', item(n, 'x'.repeat(100_000 + n)))
  await work()
  expect(await ended(engine, 'r')).toEqual({ ok: MANY.slice(0, 6).map((n) => 100_000 + n) })
})

it('what somebody else completes a callback with says nothing to the run', async () => {
  const { caller, work } = deployed('strangers')
  const { engine, client } = caller()
  await engine.start('r', { program: 'collect', input: 2 })
  await work()
  await until(engine, 'r', 'suspended')
  const run = service.executions.find(({ functionName }) => functionName === 'strangers')
  const callbacks = [...(run?.operations.values() ?? [])].flatMap(({ CallbackDetails: details }) => details ?? [])
  for (const [n, text] of ['7', '{"number":"x"}', 'no JSON'].entries()) {
    const { CallbackId } = callbacks[n] ?? {}
    await client.send(new SendDurableExecutionCallbackSuccessCommand({ CallbackId, Result: Buffer.from(text) }))
  }
  for (const n of [1, 2]) await engine.signal('r', item(n))
  expect(await ended(engine, 'r')).toEqual({ ok: [1, 2] })
})
