/** A function's module, as it is deployed: each invocation loads it in a process of its own. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Handler, lambdaHandler } from '@selvage/engine-lambda'
import { nodeRuntime } from '@selvage/runtime-node'
import { folderBlobs } from './folder-blobs.ts'
import { programs } from './programs.ts'

const {
  SELVAGE_TEST_FOLDER: folder = '',
  SELVAGE_TEST_OPTIONS: options = '{}',
  SELVAGE_TEST_BLOBS: hasBlobs,
} = process.env

export const handler: Handler = lambdaHandler(
  programs((line) => appendFileSync(join(folder, 'effects'), `${line}\n`)),
  {
    runtime: nodeRuntime(),
    ...(hasBlobs !== 'no' && { blobs: folderBlobs(folder) }),
    ...(JSON.parse(options) as object),
  },
)
