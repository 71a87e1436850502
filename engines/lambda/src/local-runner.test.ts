/** AWS's own local runner: in process, with time skipped. It replays the handler as the service would, and checks that. */
import { LocalDurableTestRunner, WaitingOperationStatus } from '@aws/durable-execution-sdk-js-testing'
import { LambdaClient } from '@aws-sdk/client-lambda'
import type { Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { programs } from '../test/programs.ts'
import { lambdaHandler } from './lambda-handler.ts'
import type { RunPayload } from './wire.ts'

describe('on the official local runner', { timeout: 60_000 }, () => {
  beforeAll(() => LocalDurableTestRunner.setupTestEnvironment({ skipTime: true }))
  afterAll(() => LocalDurableTestRunner.teardownTestEnvironment())

  const effects: string[] = []
  const runnerFor = (more: readonly Program[] = []) => {
    effects.length = 0
    const client = new LambdaClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1' })
    const all = [...programs((line) => void effects.push(line)), ...more]
    // Beside the runner there is no service that could be asked whether signals came early.
    const onError = (): void => {}
    const handlerFunction = lambdaHandler(all, { runtime: nodeRuntime(), functionName: 'runs', client, onError })
    return new LocalDurableTestRunner({ handlerFunction })
  }
  const payload = (program: string, input: RunPayload['start']['input']): RunPayload => ({
    selvage: 'run',
    runId: 'r',
    generation: 0,
    start: { program, input },
    nonce: 'n',
  })

  it('steps and a durable wait between them, over several invocations, each step once', async () => {
    const runner = runnerFor([
      {
        name: 'rest',
        resume: 'replay',
        async run(durable) {
          const step = (key: string): Promise<string> =>
            durable.step({ key, kind: 'code', name: key }, ({ attempt }) => {
              effects.push(`${key} ${attempt}`)
              return key
            })
          const before = await Promise.all([step('a'), step('b'), step('c')])
          await durable.wait('rest', 'nobody', durable.now() + 90_000)
          return [...before, await step('d')]
        },
      },
    ])
    const execution = await runner.run({ payload: payload('rest', null) })
    expect(execution.getStatus()).toBe('SUCCEEDED')
    expect(execution.getResult()).toEqual({ outcome: { ok: ['a', 'b', 'c', 'd'] } })
    expect(effects.toSorted()).toEqual(['a 1', 'b 1', 'c 1', 'd 1'])
    expect(execution.getInvocations().length).toBeGreaterThan(1)
    const names = execution.getOperations().map((operation) => operation.getName())
    expect(names).toEqual(expect.arrayContaining(['inbox', 'd', expect.stringMatching(/^until /)]))
  })

  it('a signal is a callback of the inbox', async () => {
    const runner = runnerFor()
    const running = runner.run({ payload: payload('collect', 2) })
    for (const n of [0, 1]) {
      const open = runner.getOperationByNameAndIndex('inbox', n)
      await open.waitForData(WaitingOperationStatus.STARTED)
      const signal = { id: `i${n}`, name: 'item', payload: n }
      await open.sendCallbackSuccess(JSON.stringify({ number: n, letter: signal }))
    }
    expect((await running).getResult()).toEqual({ outcome: { ok: [0, 1] } })
  })
})
