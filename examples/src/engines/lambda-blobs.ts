import { S3 } from '@aws-sdk/client-s3'
import { type LambdaOptions, s3Blobs } from '@selvage/engine-lambda'

/** Where large values go: the function and its callers name the same bucket. Without one 248 KiB is the most. */
export function bucketBlobs(): Pick<LambdaOptions, 'blobs'> {
  const { BUCKET: bucket } = process.env
  return bucket === undefined ? {} : { blobs: s3Blobs({ bucket, client: new S3({}) }) }
}
