/**
 * Keys, ids and chance that follow from the run: the same on every engine, worker, attempt and replay, and new for a
 * run id used anew, because the salt of the run enters all of them.
 *
 * Parts are joined as a JSON array before they are hashed: no two lists of parts give one text, whatever characters
 * they contain, and anybody can compute a key without this package.
 */
import type { Runtime } from '../ports.ts'
import { base64url } from '../values/base64.ts'
import { canonical } from '../values/codec.ts'
import type { Json } from '../values/json.ts'

export { base64url } from '../values/base64.ts'

/** All that is needed of a platform here. */
export type Hasher = Pick<Runtime, 'sha256'>

/** What a step may hand to the outside to be counted once: `base64url(sha256(JSON.stringify([salt, runId, key])))`, 43 characters. */
export function idempotencyKey(runtime: Hasher, salt: string, runId: string, key: string): string {
  return hash(runtime, [salt, runId, key])
}

/** The `n`-th number of a stream: [0, 1), with 53 random bits. */
export function seededRandom(runtime: Hasher, salt: string, stream: string, n: number): number {
  const view = dataView(runtime.sha256(JSON.stringify(['random', salt, stream, n])))
  const high = view.getUint32(0) >>> 11
  return (high * 2 ** 32 + view.getUint32(4)) / 2 ** 53
}

/** `prefix` and 22 characters (132 bits): unique to run, salt, prefix and label. */
export function deriveId(runtime: Hasher, salt: string, runId: string, prefix: string, label: string): string {
  return prefix + hash(runtime, ['id', salt, runId, prefix, label]).slice(0, 22)
}

/** 16 characters (96 bits) that tell two JSON values apart whatever the order of their keys. */
export function hashJson(runtime: Hasher, json: Json): string {
  return base64url(runtime.sha256(canonical(json))).slice(0, 16)
}

/**
 * The hash of a sequence, from the hash of all before (`''` for nothing) and the JSON text of its next element: a
 * growing conversation costs one hash per message. 22 characters (132 bits).
 */
export function chainHash(runtime: Hasher, previous: string, text: string): string {
  return base64url(runtime.sha256(`${previous.length}:${previous}${text}`)).slice(0, 22)
}

function hash(runtime: Hasher, parts: readonly string[]): string {
  return base64url(runtime.sha256(JSON.stringify(parts)))
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
