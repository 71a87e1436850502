/**
 * Large values in a bucket of S3: an object for each, keyed by its hash. S3 is where a function has room by default: one
 * object takes 5 TB, a put is durable when it is acknowledged, and a lifecycle rule of the bucket removes what is old.
 * (An item of DynamoDB takes 400 KB.)
 */
import { createHash } from 'node:crypto'
import { type Blobs, EngineError, probe, RunError } from '@selvage/core'

/** What is needed of `@aws-sdk/client-s3`: `new S3({})` of it has both. */
export interface S3Like {
  putObject(request: { readonly Bucket: string; readonly Key: string; readonly Body: Uint8Array }): Promise<unknown>
  getObject(request: { readonly Bucket: string; readonly Key: string }): Promise<{
    readonly Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined
  }>
}

export interface S3BlobsOptions {
  readonly bucket: string
  /** Before each key; default `selvage/`. */
  readonly prefix?: string
  /** `new S3({})` of `@aws-sdk/client-s3`. */
  readonly client: S3Like
}

export function s3Blobs({ bucket, prefix = 'selvage/', client }: S3BlobsOptions): Blobs {
  const at = (hash: string): { Bucket: string; Key: string } => ({ Bucket: bucket, Key: `${prefix}${hash}` })
  return {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      probe('store.before-blob')
      try {
        await client.putObject({ ...at(hash), Body: bytes })
      } catch (cause) {
        throw away(bucket, `take blob ${hash}`, cause)
      }
      probe('store.after-blob')
      return hash
    },
    async get(hash) {
      try {
        const { Body } = await client.getObject(at(hash))
        if (Body !== undefined) return await Body.transformToByteArray()
      } catch (cause) {
        if ((cause as Error).name !== 'NoSuchKey') throw away(bucket, `give blob ${hash}`, cause)
      }
      throw new RunError('NOT_FOUND', `Bucket ${bucket} holds no blob ${hash}.`, { details: { bucket, hash } })
    },
  }
}

function away(bucket: string, what: string, cause: unknown): EngineError {
  const { name = 'Error', message = String(cause) } = cause as { name?: string; message?: string }
  return new EngineError('UNAVAILABLE', `Bucket ${bucket} did not ${what}: ${name}: ${message}`, {
    hint: 'Check that the bucket is there and that the role may read and write it.',
    details: { bucket },
    cause,
  })
}
