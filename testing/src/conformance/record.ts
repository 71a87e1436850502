/**
 * What runs of the kit found, as a file: `<folder>/<name>.json` in the folder that SELVAGE_CONFORMANCE names. Of a section
 * that was left out, or of which a part was, by a filter say, it keeps what an earlier run found.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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

/** To be called in the suite whose suites and tests are the sections. Prints each test that skipped itself, with its reason. */
export function recorded(engine: string): void {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern that no fixture is asked for
  afterAll(({}, { tasks, file }) => {
    for (const section of tasks) for (const skip of skipsOf(section)) console.info(`${engine}: ${skip}`)
    const folder = process.env.SELVAGE_CONFORMANCE
    if (folder === undefined || folder === '') return
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `${engine.replaceAll(/[^\w-]+/g, '-')}.json`)
    const before: readonly SectionRecord[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).sections : []
    const sections = tasks.flatMap((task) => recordOf(task) ?? before.find(({ title }) => title === task.name) ?? [])
    const record: EngineRecord = { engine, file: file.name, sections }
    writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`)
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

/** Where in the section, and why. */
function skipsOf(section: RunnerTask): readonly string[] {
  return testsOf(section).flatMap((test) => {
    const title = test === section ? '' : `, "${test.name}"`
    return reasonOf(test.result).map((reason) => `"${section.name}"${title} is skipped: ${reason}`)
  })
}

/** What a test said when it skipped itself; vitest's types do not name it. */
function reasonOf(result: object | undefined): readonly string[] {
  const note = (result as { readonly note?: unknown } | undefined)?.note
  return typeof note === 'string' ? [note] : []
}

function testsOf(task: RunnerTask): readonly RunnerTask[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsOf) : [task]
}
