/** What is said to a service that listens, and never answers. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { expect, it, onTestFinished, vi } from 'vitest'
import { LambdaService } from './service.ts'

it('a connection on which nothing comes back is given up', async () => {
  const heard = Promise.withResolvers<Socket>()
  const silent = createServer((socket) => void socket.once('data', () => heard.resolve(socket)))
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve))
  const client = new LambdaClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  onTestFinished(async () => {
    client.destroy()
    ;(await heard.promise).destroy()
    silent.close()
  })
  const patience = new AbortController()
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(patience.signal)

  const found = new LambdaService(client, 'runs').get('arn:of:an:execution')
  await heard.promise
  expect(timeout.mock.calls).toEqual([[60_000]])
  patience.abort()
  await expect(found).rejects.toMatchObject({ code: 'UNAVAILABLE', hint: expect.stringContaining('can be reached') })
})
