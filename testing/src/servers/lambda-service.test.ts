/** The loopback service's own rules, spoken to as Lambda's runtime and clients do. */
import { afterEach, expect, test } from 'vitest'
import { LambdaTestService } from './lambda-service.ts'

const open: LambdaTestService[] = []
afterEach(async () => {
  for (const service of open.splice(0)) await service.close()
})

/** An execution in its first invocation, which waits for a callback. */
async function waiting() {
  const service = await LambdaTestService.open()
  open.push(service)
  const call = (path: string, body: unknown, headers: { readonly [name: string]: string } = {}): Promise<Response> =>
    fetch(`${service.url}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const runtime = '2018-06-01/runtime/invocation'
  const alive = await fetch(`${service.url}/${runtime}/alive?environment=e`)
  const next = async () => {
    const response = await fetch(`${service.url}/${runtime}/next?environment=e&pid=1&function=f`)
    const event = (await response.json()) as {
      readonly CheckpointToken: string
      readonly UpdatedOperationIds: string[]
    }
    return { ...event, id: response.headers.get('lambda-runtime-aws-request-id') ?? '' }
  }
  const asEvent = { 'x-amz-invocation-type': 'Event', 'x-amz-durable-execution-name': 'r' }
  await call('2015-03-31/functions/f/invocations', {}, asEvent)
  const invocation = await next()
  const [execution] = service.executions
  if (execution === undefined) throw new Error('no execution')
  const checkpoint = `2025-12-01/durable-executions/${encodeURIComponent(execution.arn)}/checkpoint`
  await call(checkpoint, {
    CheckpointToken: invocation.CheckpointToken,
    Updates: [{ Id: 'answer', Type: 'CALLBACK', Action: 'START' }],
  })
  const callback = execution.operations.get('answer')?.CallbackDetails?.CallbackId ?? ''
  return {
    execution,
    next,
    complete: () => call(`2025-12-01/durable-execution-callbacks/${callback}/succeed`, 'yes'),
    pends: () => call(`${runtime}/${invocation.id}/response`, { Status: 'PENDING' }),
    close: () => alive.body?.cancel(),
  }
}

test('the last callback comes while the code says that it waits: it is invoked again, to be told', async () => {
  const { execution, next, complete, pends, close } = await waiting()
  await complete()
  await pends()
  expect(execution.status).toBe('RUNNING')
  expect((await next()).UpdatedOperationIds).toEqual(['answer'])
  await close()
})

test('code that waits for nothing has failed', async () => {
  const { execution, pends, close } = await waiting()
  const [operation] = [...execution.operations.values()].filter(({ Type }) => Type === 'CALLBACK')
  if (operation !== undefined) operation.Status = 'SUCCEEDED'
  await pends()
  expect(execution).toMatchObject({ status: 'FAILED', error: { ErrorType: 'Pending' } })
  await close()
})
