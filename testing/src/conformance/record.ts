/**
 * What a run of the kit found, as a file: `<folder>/<name>.json` in the folder that SELVAGE_CONFORMANCE names. A run of
 * which parts were left out, by a filter say, leaves none.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, type RunnerTask } from 'vitest'

/** How it is with one section. */
export interface SectionRecord {
  readonly title: string
  readonly found: 'holds' | 'skipped' | 'fails'
  /** Why it, or parts of it, were skipped: each reason once. */
  readonly reasons: readonly string[]
}

export interface EngineRecord {
  readonly engine: string
  /** The test file, from where the tests were started. */
  readonly file: string
  readonly sections: readonly SectionRecord[]
}

/** To be called in the suite whose suites and tests are the sections. */
export function recorded(engine: string): void {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern that no fixture is asked for
  afterAll(({}, { tasks, file }) => {
    const folder = process.env.SELVAGE_CONFORMANCE
    if (folder === undefined || folder === '') return
    const sections = tasks.map(recordOf)
    if (!sections.every((section) => section !== undefined)) return
    mkdirSync(folder, { recursive: true })
    const record: EngineRecord = { engine, file: file.name, sections }
    writeFileSync(
      join(folder, `${engine.replaceAll(/[^\w-]+/g, '-')}.json`),
      `${JSON.stringify(record, undefined, 2)}\n`,
    )
  })
}

/** Undefined: some of it did not run. */
function recordOf(section: RunnerTask): SectionRecord | undefined {
  const tests = testsOf(section)
  const states = tests.map(({ result, mode }) => result?.state ?? mode)
  const notes = tests.flatMap(({ result }) => reasonOf(result))
  const left = states.filter((state) => state !== 'pass' && state !== 'fail').length
  const hasFailed = states.includes('fail') || section.result?.state === 'fail'
  if (left > notes.length && !hasFailed) return undefined
  const found = hasFailed ? 'fails' : left === tests.length ? 'skipped' : 'holds'
  return { title: section.name, found, reasons: [...new Set(notes)] }
}

/** What a test said when it skipped itself; vitest's types do not name it. */
function reasonOf(result: object | undefined): readonly string[] {
  const note = (result as { readonly note?: unknown } | undefined)?.note
  return typeof note === 'string' ? [note] : []
}

function testsOf(task: RunnerTask): readonly RunnerTask[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsOf) : [task]
}
