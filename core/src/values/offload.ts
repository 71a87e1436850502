/**
 * Offload: large values leave the journal for content-addressed blobs, so that an engine's history holds references
 * (`{"$s": ["blob", hash, bytes]}`) and the same value is stored once.
 *
 * A blob is one flag byte and the JSON text in UTF-8: as it is (0) or deflated (1), whichever saves enough.
 */
import { EngineError, SelvageError, UsageError } from '../errors.ts'
import type { Blobs, Manifest, Runtime } from '../ports.ts'
import { TAG } from './codec.ts'
import type { Json } from './json.ts'

/** Bytes of JSON text (UTF-8, control characters counted as three) above which a value goes to a blob. */
export const OFFLOAD_BYTES: number = 32 * 1024

/** Compression that saves less than this share is not worth inflating on every read. */
const WORTH = 0.1

/**
 * Bytes that a UTF-16 unit may take. An escaped control character takes six: text full of those may stay where it is up
 * to twice the threshold, so that nobody need look for them.
 */
const LONGEST_UNIT = 3
/** `-2.2250738585072014e-308`, and one to spare. */
const LONGEST_SCALAR = 25

const PLAIN = 0
const DEFLATED = 1

/** Both are synchronous when there is nothing to do. `pack` is given encoded JSON. */
export interface Offload {
  /** A reference to the value if it is large, else the value. Resolves when the blob is durable. */
  pack(json: Json): Promise<Json> | Json
  /** The value of a reference. EngineError CORRUPT if its blob is missing or not what was stored. */
  unpack(json: Json): Promise<Json> | Json
}

export interface OffloadOptions {
  /** Without blobs every value stays where it is. */
  readonly blobs?: Blobs | undefined
  readonly runtime: Pick<Runtime, 'deflate' | 'inflate'>
  /** Default OFFLOAD_BYTES. */
  readonly thresholdBytes?: number | undefined
  /** The engine that keeps the entries: without blobs `pack` throws UNSUPPORTED above its `entryBytes`. */
  readonly manifest?: Pick<Manifest, 'name' | 'limits'> | undefined
}

export function createOffload({ blobs, runtime, manifest, thresholdBytes = OFFLOAD_BYTES }: OffloadOptions): Offload {
  if (blobs === undefined) return { pack: (json) => refuseLarge(json, manifest), unpack: (json) => json }
  return {
    pack(json) {
      const bytes = largeBytes(json, thresholdBytes)
      return bytes === undefined ? json : write(blobs, runtime, bytes)
    },
    unpack(json) {
      const reference = referenceOf(json)
      return reference === undefined ? json : read(blobs, runtime, reference)
    },
  }
}

function refuseLarge(json: Json, manifest: OffloadOptions['manifest']): Json {
  const limit = manifest?.limits.entryBytes
  const bytes = limit === undefined ? undefined : largeBytes(json, limit)?.length
  if (manifest === undefined || bytes === undefined) return json
  throw new UsageError('UNSUPPORTED', `Engine ${manifest.name} keeps no value of ${bytes} bytes: ${limit} at most.`, {
    hint: 'Hand in blobs, where larger values go, or return a reference to it.',
    details: { bytes, limit: limit ?? null },
  })
}

interface Reference {
  readonly hash: string
  readonly bytes: number
}

function referenceOf(json: Json): Reference | undefined {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, TAG)) return undefined
  const [tag, hash, bytes] = (json as { [TAG]: readonly Json[] })[TAG]
  return tag === 'blob' && typeof hash === 'string' && typeof bytes === 'number' ? { hash, bytes } : undefined
}

/** The text of a value in UTF-8 if it is larger than the threshold. */
function largeBytes(json: Json, threshold: number): Uint8Array | undefined {
  if (roomAfter(json, threshold) >= 0) return undefined
  const text = JSON.stringify(json)
  // A UTF-16 unit takes at most three bytes: most values are small at a glance.
  if (text.length * 3 <= threshold) return undefined
  const bytes = new TextEncoder().encode(text)
  return bytes.length > threshold ? bytes : undefined
}

/**
 * What is left of `room` bytes after the text of a value, at the worst; negative: it may not fit. Most values are seen to
 * be small so, without their text.
 */
function roomAfter(json: Json, room: number): number {
  if (typeof json === 'string') return room - LONGEST_UNIT * json.length - 2
  if (typeof json !== 'object' || json === null) return room - LONGEST_SCALAR
  let left = room - 2
  if (isArray(json)) {
    for (let index = 0; index < json.length && left >= 0; index++) left = roomAfter(json[index] ?? null, left - 1)
    return left
  }
  for (const key in json) {
    if (left < 0) return left
    left = roomAfter(json[key] ?? null, left - LONGEST_UNIT * key.length - 4)
  }
  return left
}

function isArray(json: Json): json is readonly Json[] {
  return Array.isArray(json)
}

async function write(blobs: Blobs, runtime: OffloadOptions['runtime'], bytes: Uint8Array): Promise<Json> {
  const deflated = runtime.deflate(bytes)
  const small = deflated.length <= bytes.length * (1 - WORTH)
  try {
    const hash = await blobs.put(small ? flagged(DEFLATED, deflated) : flagged(PLAIN, bytes))
    return { [TAG]: ['blob', hash, bytes.length] }
  } catch (error) {
    throw away(error, `A value of ${bytes.length} bytes could not be stored as a blob`)
  }
}

function flagged(flag: number, bytes: Uint8Array): Uint8Array {
  const blob = new Uint8Array(bytes.length + 1)
  blob[0] = flag
  blob.set(bytes, 1)
  return blob
}

async function read(blobs: Blobs, runtime: OffloadOptions['runtime'], { hash, bytes }: Reference): Promise<Json> {
  const blob = await blobs.get(hash).catch((error: unknown) => {
    if (isMissing(error)) throw damaged(hash, bytes, error)
    throw away(error, `Blob ${hash} could not be read`)
  })
  try {
    const body = blob.subarray(1)
    const text = blob[0] === PLAIN ? body : blob[0] === DEFLATED ? runtime.inflate(body) : undefined
    if (text?.length !== bytes) throw new Error(`Expected ${bytes} bytes of JSON, got ${text?.length}`)
    return JSON.parse(new TextDecoder().decode(text))
  } catch (error) {
    throw damaged(hash, bytes, error)
  }
}

function isMissing(error: unknown): boolean {
  return SelvageError.is(error, 'NOT_FOUND') || SelvageError.is(error, 'CORRUPT')
}

function damaged(hash: string, bytes: number, cause: unknown): EngineError {
  return new EngineError('CORRUPT', `Blob ${hash}, to which a journal refers, is missing or damaged.`, {
    hint: 'Restore the blobs from the same backup as the journal.',
    details: { hash, bytes },
    cause,
  })
}

/** Blobs that are away say nothing about what is in them: the same can be tried again. */
function away(error: unknown, what: string): SelvageError {
  if (SelvageError.is(error)) return error
  return new EngineError('UNAVAILABLE', `${what}: ${error instanceof Error ? error.message : String(error)}.`, {
    hint: 'Look at the blob store. Workers try again by themselves.',
    cause: error,
  })
}
