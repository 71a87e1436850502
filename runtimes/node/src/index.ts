/**
 * What core needs of a platform, on Node.
 *
 * Two copies of this package in one process (a common outcome of `npm install`) share one context, kept under a
 * registered symbol: a step entered through one copy is seen by `currentStep()` of the other.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { hash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type Clock, type OptionNames, type Runtime, refuseUnknown, type StepContext } from '@selvage/core'
import { systemClock } from './clock.ts'

export { type BlobPlace, hashedBlobs } from './hashed-blobs.ts'
export { type NodePlatformOptions, nodePlatform } from './platform.ts'
export { systemClock }

/** As it was before a test of an author's faked it: a run must not stand still with the clock. */
const immediate = setImmediate

/** Where this module was loaded: before any request, as a rule. */
const OUTSIDE = AsyncLocalStorage.snapshot()

const CONTEXT = Symbol.for('selvage.runtime-node.context')

export interface NodeRuntimeOptions {
  /** Default: the system's. Tests hand in one that they move themselves. */
  readonly clock?: Clock
}

const OPTIONS: OptionNames<NodeRuntimeOptions> = { clock: true }

/** The Runtime of Node ≥ 22.13. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  refuseUnknown('nodeRuntime()', options, OPTIONS)
  const context = sharedContext()
  return {
    sha256: (text) => plain(hash('sha256', text, 'buffer')),
    deflate: (bytes) => plain(deflateRawSync(bytes)),
    inflate: (bytes) => plain(inflateRawSync(bytes)),
    context: {
      run: (value, body) => context.run(value, body),
      get: () => context.getStore(),
      here: () => AsyncLocalStorage.snapshot(),
      outside: (body) => OUTSIDE(body),
    },
    clock: options.clock ?? systemClock,
    random: (bytes) => randomBytes(bytes).toString('hex'),
    drain: () => new Promise((resolve) => void immediate(resolve)),
    identity: `${hostname()}:${process.pid}`,
  }
}

function sharedContext(): AsyncLocalStorage<StepContext | undefined> {
  const shared = globalThis as { [CONTEXT]?: AsyncLocalStorage<StepContext | undefined> }
  shared[CONTEXT] ??= new AsyncLocalStorage()
  return shared[CONTEXT]
}

/** A Buffer's `slice` is a view where an array's is a copy: core is given the ordinary kind. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
