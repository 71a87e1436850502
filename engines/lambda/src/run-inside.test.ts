import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { LambdaTestService } from '@selvage/testing/servers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { folderBlobs } from '../test/folder-blobs.ts'
import { type LambdaEngine, lambdaEngine } from './engine.ts'

describe('a run inside of a durable handler of a user', { timeout: 120_000 }, () => {
  let folder: string
  let service: LambdaTestService
  let client: LambdaClient
  let engine: LambdaEngine
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvage-inside-'))
    const handler = new URL('../test/users-function.ts', import.meta.url).href
    service = await LambdaTestService.open({ handler, secondMs: 50, env: { SELVAGE_TEST_FOLDER: folder } })
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    client = new LambdaClient({ endpoint: service.url, region: 'us-east-1', credentials })
    const poll = { firstMs: 5, longestMs: 40 }
    engine = lambdaEngine({ functionName: 'runs', client, poll, blobs: folderBlobs(folder) })
    const command = { FunctionName: 'runs', InvocationType: 'Event', DurableExecutionName: 'order-7' } as const
    await client.send(new InvokeCommand({ ...command, Payload: Buffer.from('{"topic":"Q4"}') }))
  })
  afterEach(async () => {
    await engine.close()
    client.destroy()
    await service.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const runId = 'inside/order-7/careful'
  const effects = (): readonly string[] => readFileSync(join(folder, 'effects'), 'utf8').trimEnd().split('\n')

  /** Until the program asks: its process has died once by then. */
  async function asked(): Promise<string> {
    const seen = async (): Promise<boolean> =>
      await engine.describe(runId).then(
        ({ status }) => status === 'suspended',
        () => false,
      )
    await expect.poll(seen, { timeout: 60_000 }).toBe(true)
    const { items } = await engine.questions({ runId, status: 'open' })
    expect(items).toMatchObject([{ name: 'send', runId }])
    return items[0]?.id ?? ''
  }

  async function over(): Promise<unknown> {
    await expect.poll(() => service.executions[0]?.status, { timeout: 60_000 }).toBe('SUCCEEDED')
    return JSON.parse(service.executions[0]?.result ?? 'null')
  }

  it('goes on after a SIGKILL, is asked and answered from outside, and its result is a value', async () => {
    const id = await asked()
    expect(await engine.describe(runId)).toMatchObject({ program: 'careful', start: { input: 'Q4' }, steps: 1 })
    const answer = { id, name: id, payload: { approved: true }, by: 'ada' }
    expect(await engine.signal(runId, answer)).toEqual({ accepted: true })
    expect(await engine.signal(runId, { ...answer, by: 'bob' })).toMatchObject({
      accepted: false,
      first: { by: 'ada' },
    })
    expect(await over()).toEqual({ text: 'draft of Q4' })
    expect(effects()).toEqual(['stock', 'draft', 'draft', 'mail draft of Q4'])
    expect(await engine.describe(runId)).toMatchObject({ status: 'completed', outcome: { ok: 'draft of Q4' } })
    expect((await engine.journal(runId, 0)).at(-1)).toMatchObject({ type: 'end' })
    await expect(engine.signal(runId, { ...answer, id: 'late' })).rejects.toMatchObject({ code: 'RUN_ENDED' })
  })

  it('that is cancelled or fails rejects, where the handler can catch it', async () => {
    await asked()
    await engine.cancel(runId, 'not today')
    expect(await over()).toEqual({ text: expect.stringContaining('not today') })
    expect(await engine.describe(runId)).toMatchObject({ status: 'cancelled' })
    await expect(engine.retry(runId)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(engine.describe('inside/order-7/other')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
