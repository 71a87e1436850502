/**
 * Whether a value fits a JSON Schema, whatever its draft. Schemas come from journals: no code of a program is needed.
 * The validator is loaded when the first schema is met: it is ninety modules, and most processes answer no question.
 */
import type { Issue, JsonObject } from '@selvage/core'
import type { ErrorObject } from 'ajv'

/** Formats are remarks, as the JSON Schema of today has them; what a tool server writes need not please a strict reader. */
const OPTIONS = {
  strict: false,
  validateSchema: false,
  validateFormats: false,
  allErrors: true,
  logger: false,
} as const

/** What does not fit; undefined if all does, and for a schema that nobody can read: the program has the last word. */
export async function misfits(schema: JsonObject, value: unknown): Promise<readonly Issue[] | undefined> {
  const { $schema, $id: _, ...rest } = schema
  const isOld = typeof $schema === 'string' && /draft-0[467]/.test($schema)
  const ajv = isOld ? new (await import('ajv')).Ajv(OPTIONS) : new (await import('ajv/dist/2020.js')).Ajv2020(OPTIONS)
  let fits: ReturnType<typeof ajv.compile>
  try {
    fits = ajv.compile(rest)
  } catch {
    return undefined
  }
  return fits(value) === true ? undefined : (fits.errors ?? []).map(issueOf)
}

function issueOf({ instancePath, message = 'does not fit', params, keyword }: ErrorObject): Issue {
  const extra = keyword === 'additionalProperties' ? ` (${String(params.additionalProperty)})` : ''
  return { path: instancePath.slice(1).replaceAll('/', '.'), message: `${message}${extra}` }
}
