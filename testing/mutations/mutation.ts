/**
 * Deliberate breakages. Each takes one guard out of the code; the test that it names must turn red. They are applied
 * while the module is loaded (see `plugin.ts`, and `processes.ts` for processes that tests spawn): no file is changed.
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
  /** Where the title stands, if another file registers the test: a section of the conformance suite. */
  readonly titleIn?: string
  /** Also in the processes that the test spawns. Most run what is built: there `find` occurs exactly once, too. */
  readonly processes?: boolean
}

const ROOT: string = resolve(import.meta.dirname, '../..')

export function pathOf(mutation: Mutation): string {
  return resolve(ROOT, mutation.file)
}

/** What the file is built to. */
export function builtPathOf({ file }: Mutation): string {
  return resolve(ROOT, file.replace('/src/', '/dist/').replace(/\.ts$/, '.js'))
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
