/**
 * What the data of an answer must be. A JSON Schema can be checked by every process, so it goes into the journal with the
 * question; a Standard Schema says itself as one where it can (its `~standard.jsonSchema`), and is asked once more by the
 * program that has it. What it makes of the data is recorded, and not made again on replay.
 */
import type { Issue, JsonObject } from '@selvage/core'
import { UsageError } from '@selvage/core'
import { type StandardSchema, validated } from '../input.ts'

type Schema = StandardSchema<unknown, unknown> | JsonObject

export function isStandard(schema: Schema): schema is StandardSchema<unknown, unknown> {
  return '~standard' in schema
}

/** Undefined where it cannot be said as one. BAD_INPUT for what is no schema at all. */
export function jsonSchemaOf(name: string, schema: Schema): JsonObject | undefined {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null || Array.isArray(schema)) {
    throw new UsageError('BAD_INPUT', `The schema of approval "${name}" is none.`, {
      hint: 'Give a Standard Schema (zod, valibot, arktype …) or a JSON Schema.',
    })
  }
  if (!isStandard(schema)) return schema
  try {
    const said = schema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' })
    return said === undefined ? undefined : (JSON.parse(JSON.stringify(said)) as JsonObject)
  } catch {
    // It holds something that JSON Schema has no words for: the program alone can tell.
    return undefined
  }
}

export type Checked = { readonly value: unknown } | { readonly issues: readonly Issue[] }

/** What the program's own schema makes of the data. */
export function checkData(schema: StandardSchema<unknown, unknown>, value: unknown): Promise<Checked> {
  return validated(schema, value)
}
