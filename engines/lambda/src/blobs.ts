/**
 * Large values in a bucket of S3: an object for each, keyed by its hash. S3 is where a function has room by default: one
 * object takes 5 TB, a put is durable when it is acknowledged, and a lifecycle rule of the bucket removes what is old.
 * (An item of DynamoDB takes 400 KB.)
 */
import { type Blobs, EngineError, type OptionNames, refuseUnknown } from '@selvage/core'
import { hashedBlobs } from '@selvage/runtime-node'

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

const OPTIONS: OptionNames<S3BlobsOptions> = { bucket: true, prefix: true, client: true }

export function s3Blobs(options: S3BlobsOptions): Blobs {
  refuseUnknown('s3Blobs()', options, OPTIONS)
  const { bucket, prefix = 'selvage/', client } = options
  const at = (hash: string): { Bucket: string; Key: string } => ({ Bucket: bucket, Key: `${prefix}${hash}` })
  return hashedBlobs({
    place: `Bucket ${bucket}`,
    async write(hash, bytes) {
      await client.putObject({ ...at(hash), Body: bytes }).catch((cause: unknown) => {
        throw away(bucket, `take blob ${hash}`, cause)
      })
    },
    async read(hash) {
      try {
        return await (await client.getObject(at(hash))).Body?.transformToByteArray()
      } catch (cause) {
        if ((cause as Error).name === 'NoSuchKey') return undefined
        throw away(bucket, `give blob ${hash}`, cause)
      }
    },
  })
}

function away(bucket: string, what: string, cause: unknown): EngineError {
  const { name = 'Error', message = String(cause) } = cause as { name?: string; message?: string }
  return new EngineError('UNAVAILABLE', `Bucket ${bucket} did not ${what}: ${name}: ${message}`, {
    hint: 'Check that the bucket is there and that the role may read and write it.',
    details: { bucket },
    cause,
  })
}
