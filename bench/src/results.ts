/** bench/RESULTS.md and its plots, as a run leaves them. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { contenders } from './contenders/all.ts'
import type { Machine } from './machine.ts'
import { NOT_MEASURED } from './not-measured.ts'
import { type Section, sectionText, tableText, verdictTable } from './report.ts'

const RESULTS: URL = new URL('../RESULTS.md', import.meta.url)
const PLOTS: URL = new URL('../plots/', import.meta.url)

export interface Results {
  readonly facts: Machine
  readonly sections: readonly Section[]
  readonly minutes: number
}

export function writeResults(results: Results): void {
  mkdirSync(PLOTS, { recursive: true })
  for (const name of readdirSync(PLOTS)) rmSync(fileURLToPath(new URL(name, PLOTS)))
  for (const { file, svg } of results.sections.flatMap(({ plots = [] }) => plots)) {
    writeFileSync(new URL(file, PLOTS), svg)
  }
  writeFileSync(RESULTS, document(results))
}

export function factsText(machine: Machine): string {
  return Object.entries(machine)
    .map(([fact, value]) => `- ${fact}: ${value}`)
    .join('\n')
}

export function promisesText(sections: readonly Section[]): string {
  return `## Promises\n\n${tableText(verdictTable(sections.flatMap(({ verdicts }) => verdicts)))}`
}

function document({ facts, sections, minutes }: Results): string {
  const parts = [
    '# Results',
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)} in ${minutes.toFixed(1)} minutes; do ` +
      'not edit. Everything on this page was measured in one run, on one machine:',
    factsText(facts),
    promisesText(sections),
    whoText(),
    ...sections.map(sectionText),
    NOT_MEASURED,
  ]
  return `${parts.join('\n\n')}\n`
}

function whoText(): string {
  const rows = contenders().map(({ title, version, durability }) => [
    title,
    version,
    durability('full') ?? durability('normal') ?? '',
    durability('full') === undefined ? 'a killed process' : 'loss of power',
  ])
  const table = tableText({ head: ['', 'version', 'set up as', 'what is acknowledged outlives'], rows })
  return `## Who takes part\n\n${table}`
}
