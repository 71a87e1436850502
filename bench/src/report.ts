/** What a workload has to say: tables, verdicts on what was promised, and what the figures do not say. */
import type { Plot } from './plot.ts'
import { median, ratios, type Spread, spread } from './statistics.ts'

export interface Table {
  readonly caption?: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A figure against what issue and design promise. */
export interface Verdict {
  readonly what: string
  readonly promised: string
  readonly measured: string
  readonly kept: boolean
  /** Said where it is missed, and only there: what takes the time, with figures. Markdown; links begin at bench/. */
  readonly why?: string
}

export interface Section {
  readonly title: string
  /** How it was measured. */
  readonly how: string
  readonly tables: readonly Table[]
  readonly verdicts: readonly Verdict[]
  /** What was counted to check the figures, what limits them, what they leave out. */
  readonly notes: readonly string[]
  readonly plots?: readonly Plot[]
}

export function sectionText({ title, how, tables, notes, plots = [] }: Section): string {
  const images = plots.map((plot) => `![${plot.title}](plots/${plot.file})`)
  const said = [...new Set(notes)].map((note) => `- ${note}`)
  return [`## ${title}`, how, ...images, ...tables.map(tableText), ...(said.length > 0 ? [said.join('\n')] : [])].join(
    '\n\n',
  )
}

/** What is said in place of a workload that could not be measured, or behind what could. */
export function failedSection(name: string, error: unknown, saved?: Section): Section {
  const reason = error instanceof Error ? error.message : String(error)
  const verdict = { promised: 'to be measured', measured: reason, kept: false, why: reason }
  if (saved !== undefined) {
    const failure = { what: `all of the workload "${name}"`, ...verdict }
    const note = `**Not measured to the end**: ${reason}.`
    return { ...saved, verdicts: [...saved.verdicts, failure], notes: [...saved.notes, note] }
  }
  return {
    title: `Not measured: ${name}`,
    how: `This workload failed in this run: ${reason}.`,
    tables: [],
    verdicts: [{ what: `the workload "${name}"`, ...verdict }],
    notes: [],
  }
}

/** The table of promises, and behind it a reason for each that is missed. */
export function promisesText(verdicts: readonly Verdict[]): string {
  const missed = verdicts.filter(({ kept }) => !kept)
  const reasons = missed.map(({ what, why }) => `- **${what}**: ${why ?? 'nobody has looked for the reason yet'}.`)
  const table = tableText(verdictTable(verdicts))
  if (missed.length === 0) return `## Promises\n\n${table}`
  return `## Promises\n\n${table}\n\nWhy what is missed is missed:\n\n${reasons.join('\n')}`
}

function verdictTable(verdicts: readonly Verdict[]): Table {
  return {
    head: ['promise', 'at most / at least', 'measured', ''],
    rows: verdicts.map(({ what, promised, measured, kept }) => [
      what,
      promised,
      measured,
      kept ? 'kept' : '**missed**',
    ]),
  }
}

/** Markdown that is readable as it is. */
export function tableText({ caption, head, rows }: Table): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(row[column] ?? '', width, column)).join(' | ')} |`
  const dashes = widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`))
  const rule = `|${dashes.join('|')}|`
  const table = [line(head), rule, ...rows.map(line)].join('\n')
  return caption === undefined ? table : `${caption}\n\n${table}`
}

/** Two or three digits that mean something; a count as it is. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (Number.isInteger(value)) return value.toLocaleString('en')
  if (size >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

/** `1.12 (1.05–1.31)`: the median and its quartiles. */
export function withQuartiles({ median, low, high }: Spread): string {
  return `${figure(median)} (${figure(low)}–${figure(high)})`
}

/** `1.46 (1.36–1.58), of the medians 1.45`: the ratio within a round, by which a verdict goes, and that of the medians of all rounds. */
export function bothRatios(a: readonly number[], b: readonly number[]): string {
  return `${withQuartiles(spread(ratios(a, b)))}, of the medians ${figure(median(a) / median(b))}`
}

export function ofRounds(rounds: number): string {
  return rounds === 1 ? '1 round' : `${rounds} rounds`
}

function pad(text: string, width: number, column: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width)
}
