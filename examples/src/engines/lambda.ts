/** The same in a Lambda function (lambda-function.ts, lambda/template.yaml): FUNCTION is its name and alias, BUCKET its bucket. */
import { lambdaEngine } from '@selvage/engine-lambda'
import { openSelvage } from 'selvage'
import { analyse } from './analysis.ts'
import { bucketBlobs } from './lambda-blobs.ts'

const { FUNCTION: functionName = 'analyses:live' } = process.env
await analyse(await openSelvage({ engine: lambdaEngine({ functionName, ...bucketBlobs() }), work: false }))
