/**
 * Deliberate breakages. Each takes one guard out of the code; the test that it names must turn red. They are applied
 * while the module is loaded (see `plugin.ts`): no file is changed.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export interface Mutation {
  /** What is broken, in words. */
  readonly name: string
  /** The invariant or rule that no longer holds. */
  readonly breaks: string
  /** From the root of the repository. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly put: string
  /** The test file and a part of the title of the test that must turn red. */
  readonly test: string
  readonly title: string
}

const ROOT: string = resolve(import.meta.dirname, '../..')

export function pathOf(mutation: Mutation): string {
  return resolve(ROOT, mutation.file)
}

/** The source with the breakage in it. Throws if the place to break is not there exactly once. */
export function mutate(mutation: Mutation, source: string = readFileSync(pathOf(mutation), 'utf8')): string {
  const parts = source.split(mutation.find)
  if (parts.length !== 2) {
    throw new Error(
      `"${mutation.name}": its place occurs ${parts.length - 1} times in ${mutation.file}; bring it up to date`,
    )
  }
  return parts.join(mutation.put)
}
