import { EngineError, UsageError } from '@selvage/core'

/** Where a Selvage is opened that is told nothing: below the folder the process was started in. */
export const DEFAULT_PATH = './.selvage/selvage.db'

/** A database named by a url. */
export type Location =
  | { readonly kind: 'memory'; readonly url: 'sqlite::memory:' }
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'sqlite'; readonly url: string; readonly path: string; readonly isDefault: boolean }

/**
 * `sqlite:<path>`, `sqlite::memory:` or `postgres://…`; without a url the environment variable SELVAGE_URL, without that
 * `./.selvage/selvage.db`. BAD_INPUT for what is no url, UNSUPPORTED for a database that has no engine yet.
 */
export function locate(
  url: string | undefined,
  environment: { readonly [name: string]: string | undefined },
): Location {
  const given = url ?? nonEmpty(environment.SELVAGE_URL)
  const source = url === undefined ? 'SELVAGE_URL' : 'The url'
  if (given === undefined) return { kind: 'sqlite', url: `sqlite:${DEFAULT_PATH}`, path: DEFAULT_PATH, isDefault: true }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(given)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    throw new UsageError('BAD_INPUT', `${source} '${given}' has no scheme.`, { hint: `Write 'sqlite:${given}'.` })
  }
  if (scheme === 'postgres' || scheme === 'postgresql') return { kind: 'postgres', url: given }
  if (scheme !== 'sqlite') {
    throw new UsageError('UNSUPPORTED', `${source} asks for '${scheme}:', which has no engine of its own yet.`, {
      hint: "Use 'sqlite:<path>' or 'postgres://…', or hand in an engine: openSelvage({ engine }).",
    })
  }
  const path = given.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
  if (path === ':memory:') return { kind: 'memory', url: 'sqlite::memory:' }
  if (path === '' || path.startsWith('//')) {
    throw new UsageError('BAD_INPUT', `${source} '${given}' names no file.`, {
      hint: "Write 'sqlite:./folder/file.db', 'sqlite:/folder/file.db' or 'sqlite::memory:'.",
    })
  }
  return { kind: 'sqlite', url: given, path, isDefault: false }
}

/** What a reader is told that must not create a database. */
export function noDatabase(location: Location & { readonly kind: 'sqlite' }, absolute: string): EngineError {
  return new EngineError('UNAVAILABLE', `There is no database at ${absolute}.`, {
    hint: location.isDefault
      ? "Run this where the program runs, or name it: --url 'sqlite:<path>' or SELVAGE_URL."
      : 'A program that starts runs creates it; check the path.',
    details: { path: absolute, missing: true },
  })
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
