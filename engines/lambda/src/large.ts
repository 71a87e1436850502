/**
 * What is too large for its place in the service's record lies in a blob, with a reference in its place: signals on their
 * way, the entries of an advance, the entries of generations that are over.
 */
import { type Blobs, createOffload, EngineError, type Entry, type Json, type Offload, TAG } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { ENVELOPE_BYTES, PAYLOAD_BYTES } from './limits.ts'

/** Entries of an advance or a generation, or what stands for them. */
export type Kept = readonly Entry[] | Json

export class Large {
  readonly blobs: Blobs | undefined
  private readonly some: Offload
  private readonly all: Offload

  constructor(blobs: Blobs | undefined) {
    const runtime = nodeRuntime()
    this.blobs = blobs
    const thresholdBytes = PAYLOAD_BYTES - ENVELOPE_BYTES
    const manifest = { name: 'lambda', limits: { entryBytes: thresholdBytes } }
    this.some = createOffload({ blobs, runtime, thresholdBytes, manifest })
    this.all = createOffload({ blobs, runtime, thresholdBytes: 0 })
  }

  /** As it is, where there is room for it. UNSUPPORTED for what is too large where there are no blobs. */
  async pack(value: unknown): Promise<Json> {
    return await this.some.pack(value as Json)
  }

  /** In a blob; null where there are none. */
  async archive(value: unknown): Promise<Kept | null> {
    return this.blobs === undefined ? null : await this.all.pack(value as Json)
  }

  /** CORRUPT if its blob is missing or damaged, or this process has no blobs. */
  async unpack<T>(kept: Kept): Promise<T> {
    if (this.blobs === undefined && Object.hasOwn(Object(kept), TAG)) throw noBlobs()
    return (await this.some.unpack(kept as Json)) as T
  }

  async entries(kept: readonly Kept[]): Promise<readonly Entry[]> {
    return (await Promise.all(kept.map((each) => this.unpack<readonly Entry[]>(each)))).flat()
  }
}

function noBlobs(): EngineError {
  return new EngineError('CORRUPT', 'What is recorded of a run lies in blobs, and this process has none.', {
    hint: 'Give every process the blobs that the function has: lambdaEngine({ blobs }).',
  })
}
