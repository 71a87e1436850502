/**
 * npm run bench [-- --quick] [-- --only=step,load]
 *
 * A whole run writes bench/RESULTS.md; a quick or partial one only prints.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { contenders } from './contenders/all.ts'
import { type Machine, machine } from './machine.ts'
import { NOT_MEASURED } from './not-measured.ts'
import { type Section, sectionText, tableText, verdictTable } from './report.ts'
import type { Workload } from './workload.ts'
import { bytes } from './workloads/bytes.ts'
import { cycles } from './workloads/cycles.ts'
import { load } from './workloads/load.ts'
import { recovery } from './workloads/recovery.ts'
import { session } from './workloads/session.ts'
import { signals } from './workloads/signals.ts'
import { step } from './workloads/step.ts'

const WORKLOADS: readonly Workload[] = [step, load, cycles, bytes, recovery, session, signals]
const RESULTS = new URL('../RESULTS.md', import.meta.url)

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const wanted = values.only?.split(',')
const began = performance.now()
const facts = machine()
print(factsText(facts))
const sections: Section[] = []
for (const workload of WORKLOADS) {
  if (wanted !== undefined && !wanted.includes(workload.name)) continue
  const section = await workload.measure({ quick: values.quick })
  sections.push(section)
  print(sectionText(section))
}
const verdicts = tableText(verdictTable(sections.flatMap((section) => section.verdicts)))
print(`## Promises\n\n${verdicts}`)
const minutes = (performance.now() - began) / 60_000
print(`Took ${minutes.toFixed(1)} minutes.`)
if (!values.quick && wanted === undefined) {
  writeFileSync(RESULTS, document(verdicts))
  print('Written to bench/RESULTS.md.')
}

function document(promises: string): string {
  const parts = [
    '# Results',
    `Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)} in ${minutes.toFixed(1)} minutes; do ` +
      'not edit. Everything on this page was measured in one run, on one machine:',
    factsText(facts),
    '## Promises',
    promises,
    ...sections.map(sectionText),
    NOT_MEASURED,
  ]
  return `${parts.join('\n\n')}\n`
}

function factsText(machine: Machine): string {
  const versions = contenders().map(({ title, version }) => `- ${title}: ${version}`)
  return [...Object.entries(machine).map(([fact, value]) => `- ${fact}: ${value}`), ...versions].join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
