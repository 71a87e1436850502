/**
 * The input of a run, checked by any validator that speaks Standard Schema (https://standardschema.dev, version 1): zod,
 * valibot, arktype and others. Only the part of that interface which is used here is written down.
 */
import { type Issue, UsageError } from '@selvage/core'

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    /** Standard JSON Schema (https://standardschema.dev/json-schema), where the library speaks it. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: 'draft-2020-12' }) => object } | undefined
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** BAD_INPUT for what validates nothing, unless it is not given. `what`: whose it is. */
export function refuseNoSchema(what: string, given: unknown): void {
  if (given === undefined) return
  const standard: unknown = Object(given)['~standard']
  if (typeof Object(standard).validate === 'function') return
  throw new UsageError('BAD_INPUT', `${what} is no schema.`, {
    hint: 'Give one of zod, valibot, arktype or another library that speaks Standard Schema.',
  })
}

/**
 * The input as the schema gives it back: what is recorded and what the program gets, so that nothing is validated again
 * on replay. Throws UsageError BAD_INPUT with a line for each issue; `details.issues` has them as `{ path, message }`.
 */
export async function validateInput<Output>(schema: StandardSchema<unknown, Output>, value: unknown): Promise<Output> {
  const result = await validated(schema, value)
  if ('value' in result) return result.value
  const { issues } = result
  const lines = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  throw new UsageError('BAD_INPUT', `The input is not valid. ${lines.join('; ')}.`, {
    hint: 'No run was started.',
    details: { issues },
  })
}

/** What the schema makes of a value, or all that is wrong with it. */
export async function validated<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
): Promise<{ readonly value: Output } | { readonly issues: readonly Issue[] }> {
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return { value: result.value }
  return { issues: result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message })) }
}

function pathOf(issue: SchemaIssue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}
