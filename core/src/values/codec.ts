/**
 * The codec: every value that is recorded, and every recorded value that is handed to an author, passes through it at
 * once, so that a value is the same on the first pass and on replay (I12).
 *
 * JSON is itself. What JSON lacks becomes a tagged object, `{"$s": [tag, …]}`; an object of the author's that has a
 * key `$s` is put into one (`{"$s": ["object", {…}]}`). So encoded JSON is unambiguous, and tags that later versions
 * add are recognised as such.
 *
 *     undefined                ["undefined"]
 *     NaN, ±Infinity, −0       ["number", "NaN"]
 *     bigint                   ["bigint", "12"]
 *     Date                     ["date", ISO text, or null if invalid]
 *     Uint8Array, Buffer       ["bytes", base64url]            comes back as Uint8Array
 *     Map, Set                 ["map", [[key, value], …]], ["set", [value, …]]
 *     Error                    ["error", ErrorJson]            see error-json.ts
 *     (written by offload.ts)  ["blob", hash, bytes]           never reaches `decode`
 *
 * Not kept: classes derived from these (their base comes back), a missing prototype, symbol keys, properties that are
 * not enumerable, named properties of arrays; a hole in an array becomes undefined. Anything else is refused.
 */
import { EngineError, type ErrorJson, SelvageError, UsageError } from '../errors.ts'
import { base64url, fromBase64url } from './base64.ts'
import { isError, mayNest, rebuildError, recordError } from './error-json.ts'
import type { Json, JsonObject } from './json.ts'
import { setOwn } from './plain.ts'

/** Grows when a tag is added or changes its meaning. */
export const CODEC_VERSION = 1

/** The key that marks a tagged value. */
export const TAG = '$s'

/** How deep a value may nest. Far from where the stack overflows, here or in `JSON.stringify`, however tags add to it. */
export const MAX_DEPTH = 500
/** The same for a property of an error, of which several may be one inside the other. */
const MAX_DETAIL_DEPTH = 50

// ── encode ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Where an encoding is: for the path in its error, and to tell a cycle from depth. */
interface Walk {
  readonly what: string
  readonly path: (string | number)[]
  readonly trail: object[]
  depth: number
  readonly limit: number
  /** The errors being recorded around this value. */
  readonly open: readonly unknown[]
}

/**
 * The JSON of a value, as a copy: what the author does to the value afterwards changes no entry.
 *
 * An object with a method `toJSON` (a URL, most message classes) is recorded as what that returns, and comes back as
 * that. Throws UsageError NOT_SERIALISABLE with the path of the offending part (entries of a Map as in `[...map]`);
 * `what` names the value in its message: 'the result of step charge in run q4'.
 */
export function encode(value: unknown, what: string): Json {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  return encodeInside(value, what, [])
}

function encodeInside(value: unknown, what: string, open: readonly unknown[]): Json {
  const walk: Walk = {
    what,
    path: [],
    trail: [],
    depth: 0,
    limit: open.length === 0 ? MAX_DEPTH : MAX_DETAIL_DEPTH,
    open,
  }
  try {
    return visit(walk, value, 0)
  } catch (error) {
    if (SelvageError.is(error, 'NOT_SERIALISABLE')) throw error
    throw refuse(walk, 'cannot be read', 'A getter or toJSON() of it threw: see the cause.', error)
  }
}

function visit(walk: Walk, value: unknown, depth: number): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tagged('number', Object.is(value, -0) ? '-0' : `${value}`)
    case 'undefined':
      return tagged('undefined')
    case 'bigint':
      return tagged('bigint', `${value}`)
    case 'function':
      throw refuse(walk, 'is a function', 'Leave it out, or record what it needs to be made again.')
    case 'symbol':
      throw refuse(walk, 'is a symbol', 'Use a string instead.')
    default:
      return value === null ? null : visitObject(walk, value as object, depth)
  }
}

function visitObject(walk: Walk, value: object, depth: number): Json {
  if (depth >= walk.limit) throw refuseDepth(walk)
  walk.trail[depth] = value
  if (isPlainArray(value)) return visitArray(walk, value, depth)
  if (isPlainObject(value) && typeof (value as { toJSON?: unknown }).toJSON !== 'function')
    return visitPlain(walk, value, depth)
  return visitInstance(walk, value, depth)
}

function visitArray(walk: Walk, value: readonly unknown[], depth: number): Json {
  const copy: Json[] = new Array(value.length)
  for (let index = 0; index < value.length; index++) {
    step(walk, depth, index)
    copy[index] = visit(walk, value[index], depth + 1)
  }
  return copy
}

function visitPlain(walk: Walk, value: Record<string, unknown>, depth: number): Json {
  const copy: Record<string, Json> = {}
  for (const key of Object.keys(value)) {
    step(walk, depth, key)
    setOwn(copy, key, visit(walk, value[key], depth + 1))
  }
  return Object.hasOwn(value, TAG) ? tagged('object', copy) : copy
}

function visitInstance(walk: Walk, value: object, depth: number): Json {
  if (isA(value, Date)) return tagged('date', Number.isNaN(value.getTime()) ? null : value.toISOString())
  if (isA(value, Uint8Array)) return tagged('bytes', base64url(value))
  if (isError(value)) return visitError(walk, value)
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const name = depth === 0 ? '' : String(walk.path[depth - 1])
    step(walk, depth, TO_JSON)
    return visit(walk, value.toJSON(name), depth + 1)
  }
  if (isA(value, Set)) return tagged('set', visitArray(walk, [...value], depth))
  if (isA(value, Map)) return tagged('map', visitArray(walk, [...value], depth))
  const name = className(value)
  throw refuse(walk, `is a ${name}`, HINTS[name] ?? 'Use a plain object, or give the class a toJSON().')
}

function visitError(walk: Walk, error: Error): Json {
  if (!mayNest(error, walk.open)) throw refuse(walk, 'is an error inside itself', 'Leave it out.')
  return tagged('error', recordError(error, walk.open, encodeDetail) as unknown as Json)
}

const encodeDetail = (value: unknown, open: readonly unknown[]): Json =>
  encodeInside(value, 'a property of an error', open)

const HINTS: { readonly [name: string]: string | undefined } = {
  Promise: 'Await it first.',
  ArrayBuffer: 'Wrap it: new Uint8Array(buffer).',
  Float32Array: 'Use Array.from(it).',
  Float64Array: 'Use Array.from(it).',
  RegExp: 'Record its source and flags.',
  Response: 'Read its body first.',
}

/** In a path: what follows is in what that method returned. */
const TO_JSON = 'toJSON()'

function step(walk: Walk, depth: number, key: string | number): void {
  walk.path[depth] = key
  walk.depth = depth + 1
}

function tagged(...content: readonly Json[]): JsonObject {
  return { [TAG]: content }
}

function refuse(walk: Walk, problem: string, hint: string, cause?: unknown): UsageError {
  const path = showPath(walk.path.slice(0, walk.depth))
  return new UsageError('NOT_SERIALISABLE', `Cannot record ${walk.what}: ${path} ${problem}.`, {
    hint,
    details: { what: walk.what, path },
    ...(cause === undefined ? {} : { cause }),
  })
}

function refuseDepth(walk: Walk): UsageError {
  const first = new Map<object, number>()
  for (const [depth, value] of walk.trail.entries()) {
    const back = first.get(value)
    if (back !== undefined) {
      walk.depth = depth
      return refuse(walk, `refers back to ${showPath(walk.path.slice(0, back))}`, 'Replace the reference by an id.')
    }
    first.set(value, depth)
  }
  return refuse(walk, `is nested more than ${walk.limit} deep`, 'Flatten the value, or record it as text.')
}

function showPath(keys: readonly (string | number)[]): string {
  const parts = keys.map((key) =>
    key === TO_JSON || IDENTIFIER.test(String(key)) ? `.${key}` : `[${JSON.stringify(key)}]`,
  )
  // Of a very deep path the ends say enough.
  return `$${parts.length > 40 ? [...parts.slice(0, 20), '…', ...parts.slice(-20)].join('') : parts.join('')}`
}

const IDENTIFIER = /^[\p{L}_$][\p{L}\p{N}_$]*$/u

// Also of another realm (a vm context, a sandbox): recognised by shape, not by identity.
function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype === null || prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

function isPlainArray(value: object): value is readonly unknown[] {
  return (
    Array.isArray(value) &&
    (Object.getPrototypeOf(value) === Array.prototype || Array.isArray(Object.getPrototypeOf(value)))
  )
}

function isA<T extends object>(value: object, type: { new (): T; readonly name: string }): value is T {
  return value instanceof type || Object.prototype.toString.call(value) === `[object ${type.name}]`
}

function className(value: object): string {
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'class instance'
}

// ── decode ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The value of encoded JSON: always a fresh copy, which its owner may change.
 *
 * Throws EngineError CORRUPT for what this version cannot read.
 */
export function decode(json: Json): unknown {
  try {
    return revive(json, 0)
  } catch (error) {
    throw SelvageError.is(error) ? error : corrupt('a value is malformed', error)
  }
}

function revive(json: Json, depth: number): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (depth > 4 * MAX_DEPTH) throw corrupt(`a value is nested more than ${4 * MAX_DEPTH} deep`)
  if (isJsonArray(json)) return reviveArray(json, depth)
  return Object.hasOwn(json, TAG) ? untag(json[TAG], depth + 1) : reviveObject(json, depth)
}

function reviveArray(json: readonly Json[], depth: number): unknown[] {
  const copy: unknown[] = []
  for (const part of json) copy.push(revive(part, depth + 1))
  return copy
}

function reviveObject(json: JsonObject, depth: number): object {
  const copy = {}
  for (const key of Object.keys(json)) setOwn(copy, key, revive(json[key] as Json, depth + 1))
  return copy
}

function untag(content: Json | undefined, depth: number): unknown {
  const [tag, body] = isJsonArray(content) ? content : []
  switch (tag) {
    case 'undefined':
      return undefined
    case 'number':
      return Number(body)
    case 'bigint':
      return BigInt(text(tag, body))
    case 'date':
      return body === null ? new Date(Number.NaN) : reviveDate(text(tag, body))
    case 'bytes':
      return fromBase64url(text(tag, body)) ?? malformed(tag)
    case 'map':
      return new Map(reviveArray(array(tag, body), depth) as [unknown, unknown][])
    case 'set':
      return new Set(reviveArray(array(tag, body), depth))
    case 'error':
      return errorFromJson(error(object(tag, body)))
    case 'object':
      return reviveObject(object(tag, body), depth)
    case 'blob':
      throw corrupt(`a blob was not fetched before it was read: ${JSON.stringify(body)}`)
    default:
      throw new EngineError('CORRUPT', `A recorded value is of a kind unknown here: ${JSON.stringify(tag)}.`, {
        hint: `A newer version of Selvage wrote it (this one reads codec version ${CODEC_VERSION}): update this process.`,
        details: { tag },
      })
  }
}

function reviveDate(iso: string): Date {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? malformed('date') : date
}

function isJsonArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json)
}

function text(tag: string, body: Json | undefined): string {
  return typeof body === 'string' ? body : malformed(tag)
}

function array(tag: string, body: Json | undefined): readonly Json[] {
  return isJsonArray(body) ? body : malformed(tag)
}

function object(tag: string, body: Json | undefined): JsonObject {
  return typeof body === 'object' && body !== null && !isJsonArray(body) ? body : malformed(tag)
}

function error(json: JsonObject): ErrorJson {
  const { name, message } = json
  return typeof name === 'string' && typeof message === 'string' ? { ...json, name, message } : malformed('error')
}

function malformed(tag: string): never {
  throw corrupt(`a recorded ${tag} is malformed`)
}

function corrupt(problem: string, cause?: unknown): EngineError {
  return new EngineError('CORRUPT', `Recorded data cannot be read: ${problem}.`, cause === undefined ? {} : { cause })
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * What an entry keeps of anything thrown. Never throws. Kept: the first 6 frames of the stack, causes 8 deep, own
 * enumerable properties up to 32 Ki characters of JSON each, the errors of an AggregateError.
 */
export function errorToJson(error: unknown): ErrorJson {
  return recordError(error, [], encodeDetail)
}

/**
 * The error again, always a real Error: of its class if that is one of Selvage's or the language's. A thrown value
 * that was no Error is its property `thrown`.
 */
export function errorFromJson(json: ErrorJson): Error {
  return rebuildError(json, decode)
}

// ── canonical text ──────────────────────────────────────────────────────────────────────────────────────────────────

/** JSON text with sorted keys: equal for equal values, whatever the order their keys were set in. For hashes and equality. */
export function canonical(json: Json): string {
  if (typeof json !== 'object' || json === null) return JSON.stringify(json)
  let text = ''
  if (isJsonArray(json)) {
    for (const part of json) text += `,${canonical(part)}`
    return `[${text.slice(1)}]`
  }
  for (const key of Object.keys(json).sort()) text += `,${JSON.stringify(key)}:${canonical(json[key] as Json)}`
  return `{${text.slice(1)}}`
}
