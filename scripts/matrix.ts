// The matrix engine × section of docs/engines.md. Each run of the conformance kit leaves a record in .selvage/conformance;
// this puts the records into docs/conformance.json and the table into docs/engines.md. With --check it changes nothing, and
// fails where the last runs have found anything else than is written there.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineRecord, SectionRecord } from '../testing/src/conformance/record.ts'

const root = join(import.meta.dirname, '..')
const recordsFile = join(root, 'docs/conformance.json')
const page = join(root, 'docs/engines.md')
const BEGIN = '<!-- matrix: written by npm run matrix -->'
const END = '<!-- end of matrix -->'

const NONE: readonly SectionRecord[] = []

export function written(): readonly EngineRecord[] {
  return existsSync(recordsFile) ? JSON.parse(readFileSync(recordsFile, 'utf8')) : []
}

export function found(): readonly EngineRecord[] {
  const folder = join(root, '.selvage/conformance')
  const records = globSync('*.json', { cwd: folder }).map(
    (file): EngineRecord => JSON.parse(readFileSync(join(folder, file), 'utf8')),
  )
  // The template is no engine that anybody would choose; and a table is made of runs that were green.
  return records
    .filter(({ file }) => !file.startsWith('examples/'))
    .map((record) => ({ ...record, sections: record.sections.filter((section) => isFine(record, section)) }))
}

function isFine({ engine, file }: EngineRecord, { title, found }: SectionRecord): boolean {
  if (found === 'fails') console.warn(`left out: "${title}" fails on ${engine}: ${file}`)
  return found !== 'fails'
}

/** A column for each engine, a row for each section; why something is skipped stands below, each reason once. */
export function tableOf(records: readonly EngineRecord[]): string {
  const longest = records.reduce((most, { sections }) => (sections.length > most.length ? sections : most), NONE)
  const titles = [...new Set([longest, ...records.map(({ sections }) => sections)].flat().map(({ title }) => title))]
  const reasons: string[] = []
  const noteOf = (reason: string): string => {
    if (!reasons.includes(reason)) reasons.push(reason)
    return `<sup>${reasons.indexOf(reason) + 1}</sup>`
  }
  const cellOf = (section: SectionRecord | undefined): string => {
    if (section === undefined) return 'not run'
    const notes = section.reasons.map(noteOf).join(' ')
    if (section.found === 'skipped') return `skipped ${notes}`
    return notes === '' ? section.found : `${section.found}, in part skipped ${notes}`
  }
  const rows = titles.map((title) => [
    title,
    ...records.map(({ sections }) => cellOf(sections.find((section) => section.title === title))),
  ])
  const head = ['', ...records.map(({ engine }) => engine)]
  const table = [head, head.map(() => '---'), ...rows]
  const lines = table.map((cells) => `| ${cells.join(' | ')} |`)
  return [...lines, '', ...reasons.map((reason, index) => `${index + 1}. ${reason}`)].join('\n')
}

export function pageWith(table: string): string {
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`docs/engines.md lacks the lines ${BEGIN} and ${END}`)
  return `${text.slice(0, from)}${BEGIN}\n\n${table}\n\n${text.slice(to)}`
}

export const isPageRight = (): boolean => readFileSync(page, 'utf8') === pageWith(tableOf(written()))

/** Sections of which a run has found something else than is written. What is not written yet is no lie. */
function contradictions(record: EngineRecord, before: EngineRecord | undefined): readonly string[] {
  return record.sections.flatMap((section) => {
    const told = before?.sections.find(({ title }) => title === section.title)
    return told === undefined || JSON.stringify(told) === JSON.stringify(section) ? [] : [section.title]
  })
}

if (process.argv[1] === import.meta.filename) {
  const fresh = found()
  if (process.argv.includes('--check')) {
    for (const record of fresh) {
      const before = written().find(({ engine }) => engine === record.engine)
      for (const title of contradictions(record, before)) {
        console.error(
          `docs/engines.md says of ${record.engine} "${title}" something else than ${record.file} has found.`,
        )
        process.exitCode = 1
      }
    }
    if (!isPageRight()) process.exitCode = 1
    if (process.exitCode === 1) console.error('npm run matrix writes what the last runs have found.')
  } else {
    const kept = written().filter(({ engine }) => !fresh.some((record) => record.engine === engine))
    const records = [...kept, ...fresh].sort((one, other) => one.engine.localeCompare(other.engine))
    writeFileSync(recordsFile, `${JSON.stringify(records, undefined, 2)}\n`)
    writeFileSync(page, pageWith(tableOf(records)))
    console.log(`docs/engines.md: ${records.map(({ engine }) => engine).join(', ')}`)
  }
}
