/** bench/RESULTS.md, or RESULTS-LONG.md, and its plots. Written again as each section ends: a run that is cut short leaves what it has. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { contenders } from './contenders/all.ts'
import { notInstalled } from './install.ts'
import type { Machine } from './machine.ts'
import { NOT_MEASURED } from './not-measured.ts'
import { READ } from './plan.ts'
import { figure, promisesText, type Section, sectionText, tableText } from './report.ts'
import { serverVersions } from './servers.ts'

const PLOTS: URL = new URL('../plots/', import.meta.url)

/** What has ended, and what it took. */
export interface Measured {
  readonly name: string
  readonly section: Section
  readonly seconds: number
  /** What it was given. */
  readonly budget: number
}

export interface Results {
  readonly facts: Machine
  readonly measured: readonly Measured[]
  readonly seconds: number
  /** Workloads that have not ended. */
  readonly open: readonly string[]
  /** Smaller sizes, fewer rounds, or not all workloads. */
  readonly isPartial: boolean
  /** What takes too long for a whole run. */
  readonly isLong: boolean
}

export function pageOf({ isLong }: Results): string {
  return `bench/${isLong ? 'RESULTS-LONG.md' : 'RESULTS.md'}`
}

export function writeResults(results: Results): void {
  mkdirSync(PLOTS, { recursive: true })
  const plots = results.measured.flatMap(({ section: { plots = [] } }) => plots)
  for (const { file, svg } of plots) writeFileSync(new URL(file, PLOTS), svg)
  writeFileSync(new URL(`../../${pageOf(results)}`, import.meta.url), document(results))
}

export function factsText(machine: Machine): string {
  return Object.entries(machine)
    .map(([fact, value]) => `- ${fact}: ${value}`)
    .join('\n')
}

export function timesText({ measured, seconds }: Results): string {
  const rows = measured.map((each) => [each.section.title, figure(Math.round(each.seconds)), figure(each.budget)])
  const rest = seconds - measured.reduce((sum, each) => sum + each.seconds, 0)
  const table = tableText({
    head: ['', 'seconds', 'at most'],
    rows: [...rows, ['the rest', figure(Math.round(rest)), '']],
  })
  return (
    `## Where the time of this run went\n\n${table}\n\nIn the order in which it was measured. A section begins nothing more ` +
    'when its time is over, and says what it has left out. The rest: databases, sessions and killed runs that are made ' +
    'for all sections at once, before anything is timed; installations; servers.'
  )
}

export function endText(results: Results): string {
  return [promisesText(asRead(results.measured).flatMap(({ section }) => section.verdicts)), timesText(results)].join(
    '\n\n',
  )
}

function document(results: Results): string {
  const { facts, seconds, open, isPartial, isLong } = results
  const measured = asRead(results.measured)
  const parts = [
    isLong ? '# Results, the long ones' : '# Results',
    ...(open.length === 0 ? [] : [`**Incomplete**: the run was cut short, or goes on. Without: ${open.join(', ')}.`]),
    ...(isPartial ? ['**Not a whole run**: quick, or only some of the workloads or contenders.'] : []),
    `Written by \`npm run bench${isLong ? ' -- --long=<minutes>' : ''}\` on ${new Date().toISOString().slice(0, 10)} in ${(seconds / 60).toFixed(1)} minutes; do ` +
      'not edit. Everything on this page was measured in one run, on one machine, but for what is said to be of another day, or tried apart:',
    factsText({ ...facts, ...serverVersions() }),
    promisesText(measured.flatMap(({ section }) => section.verdicts)),
    ...(isLong ? [] : [whoText()]),
    ...measured.map(({ section }) => sectionText(section)),
    ...(isLong ? [] : [NOT_MEASURED, timesText(results)]),
  ]
  return `${parts.join('\n\n')}\n`
}

/** Not in the order in which it was measured. */
function asRead(measured: readonly Measured[]): readonly Measured[] {
  return READ.flatMap((workload) => measured.filter(({ name }) => name === workload.name))
}

function whoText(): string {
  const rows = contenders().map(({ title, version, durability }) => [
    title,
    version,
    durability('full') ?? durability('normal') ?? '',
    durability('full') === undefined ? 'a killed process' : 'loss of power',
  ])
  const table = tableText({
    head: ['', 'version', 'set up as', 'what is acknowledged outlives'],
    rows: [...rows, ...sdkRows()],
  })
  const absent = notInstalled().map((reason) => `- ${reason}`)
  return ['## Who takes part', table, ...(absent.length > 0 ? [absent.join('\n')] : [])].join('\n\n')
}

/** What the SDK has itself to keep an agent: no contender of its own, but a way to run one. */
function sdkRows(): readonly (readonly string[])[] {
  const name = '@strands-agents/sdk'
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    dependencies: { readonly [name: string]: string }
  }
  const version = `${name} ${manifest.dependencies[name]}`
  const session = "FileStorage, saveLatestOn: 'message': a file, without fsync"
  return [
    ['Strands SessionManager, per message', version, session, 'a killed process'],
    ['Strands checkpointing: true', version, `with that SessionManager (${session})`, 'a killed process'],
  ]
}
