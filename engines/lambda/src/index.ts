export { type S3BlobsOptions, type S3Like, s3Blobs } from './blobs.ts'
export { type LambdaEngine, type LambdaOptions, lambdaEngine } from './engine.ts'
export type { Handler } from './handler.ts'
export { type LambdaHandlerOptions, lambdaHandler } from './lambda-handler.ts'
