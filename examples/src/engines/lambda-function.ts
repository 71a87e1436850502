/** The module that Lambda loads: what it defines is run where Lambda invokes `handler`, also months later. */
import { type Handler, lambdaEngine, lambdaHandler } from '@selvage/engine-lambda'
import { openSelvage } from 'selvage'
import { define } from './analysis.ts'
import { bucketBlobs } from './lambda-blobs.ts'

const engine = lambdaEngine(bucketBlobs())
const selvage = await openSelvage({ engine })
define(selvage)
await selvage.work()

export const handler: Handler = lambdaHandler(engine)
