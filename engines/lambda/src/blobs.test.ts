/** The official client of S3, unchanged, against as much of its API as blobs need. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { S3 } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { s3Blobs } from './blobs.ts'

describe('blobs in S3', () => {
  const objects = new Map<string, Buffer>()
  let server: Server
  let client: S3
  let isDown = false
  beforeEach(async () => {
    objects.clear()
    isDown = false
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const key = (request.url ?? '').split('?')[0] ?? ''
      const found = objects.get(key)
      if (isDown) response.writeHead(403).end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>')
      else if (request.method === 'PUT') {
        objects.set(key, Buffer.concat(chunks))
        response.end()
      } else if (found === undefined) response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
      else response.end(found)
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    client = new S3({
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
  })
  afterEach(async () => {
    client.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => void server.close(resolve))
  })

  it('are kept by their hashes, under a prefix, and read again', async () => {
    const blobs = s3Blobs({ bucket: 'mine', prefix: 'runs/', client })
    const bytes = new Uint8Array([1, 2, 3, 255])
    const hash = await blobs.put(bytes)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    expect([...objects.keys()]).toEqual([`/mine/runs/${hash}`])
    expect(await blobs.get(hash)).toEqual(bytes)
  })

  it('that are not there are CORRUPT, as in every place; a bucket that is away is another thing', async () => {
    const blobs = s3Blobs({ bucket: 'mine', client })
    await expect(blobs.get('0'.repeat(64))).rejects.toMatchObject({ code: 'CORRUPT' })
    isDown = true
    const away = { code: 'UNAVAILABLE', message: expect.stringContaining('mine') }
    await expect(blobs.put(new Uint8Array([1]))).rejects.toMatchObject(away)
    await expect(blobs.get('0'.repeat(64))).rejects.toMatchObject(away)
  })
})
