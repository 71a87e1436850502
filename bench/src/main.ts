/**
 * npm run bench [-- --quick] [-- --only=step,load] [-- --contender=selvage,dbos] [-- --long=<minutes>]
 *
 * A whole run writes bench/RESULTS.md and bench/plots, again as each section ends; a quick or partial one only prints,
 * unless told to --write. A long one measures, for so many minutes, what a whole one has time for once:
 * bench/RESULTS-LONG.md. What fails or takes too long is named in the results, and the rest goes on.
 */
import { parseArgs } from 'node:util'
import { asWorkload, within } from './children.ts'
import { machine } from './machine.ts'
import { budgetOf, DEADLINE, graceOf, longFor, PLAN, type Planned } from './plan.ts'
import { failedSection, type Section, sectionText } from './report.ts'
import { endText, factsText, type Measured, pageOf, type Results, writeResults } from './results.ts'
import { closeServers } from './servers.ts'
import { installPeers, startServers } from './set-up.ts'
import type { Measure, Options, Setting, Workload } from './workload.ts'

const CLOSING_MS = 10_000
/** On a slow machine; the sections that are measured first are those that suffer. It counts against the deadline. */
const PREPARING_MS = { quick: 60_000, whole: 360_000 }
/** Whoever needs one that takes longer waits for it in its own time. */
const SERVERS_MS = { quick: 15_000, whole: 90_000 }

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    long: { type: 'string' },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    contender: { type: 'string' },
  },
})
const mode = values.quick ? 'quick' : 'whole'
const [workloads, contenders] = [values.only, values.contender].map((names) => names?.split(','))
const isPartial = values.quick || workloads !== undefined || contenders !== undefined
const writes = values.write || !isPartial
const longMinutes = values.long === undefined ? undefined : Number(values.long)
if (longMinutes !== undefined && (isPartial || !(longMinutes > 0))) throw new Error('--long=<minutes> goes by itself')
// Ends what ends with the process: servers, folders.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
// What is left of a workload that was given up fails when its processes are gone.
process.on('unhandledRejection', (error) => console.error('Behind a workload that was given up:', error))

const facts = machine()
print(factsText(facts))
const measured: Measured[] = []
const planned = (longMinutes === undefined ? PLAN : [longFor(longMinutes)]).filter(
  ({ workload }) => workloads?.includes(workload.name) !== false,
)
const unknown = workloads?.filter((name) => !PLAN.some(({ workload }) => workload.name === name)) ?? []
if (unknown.length > 0) throw new Error(`no workload ${unknown.join(', ')}: see bench/README.md`)
const setting: Setting = { quick: values.quick, takesPart }
const first = performance.now()
await installPeers(planned, setting)
// What a machine has to do once counts for nothing.
const began = performance.now()
print(`(installed: ${Math.round((began - first) / 1_000)} s)`)
// Nothing here is timed: all at once. Who fails is told of in its section.
const measures = new Map(planned.map(({ workload }) => [workload, prepared(workload)]))
await Promise.allSettled(measures.values())
print(`(prepared: ${Math.round(elapsed())} s)`)
for (const [index, { workload }] of planned.entries()) {
  if (workload.withServers === true) await beginServers()
  measured.push(await measure(planned.slice(index)))
  if (!planned.slice(index + 1).some((next) => next.workload.withServers)) await endServers()
  if (writes) writeResults(resultsNow())
}
const results = resultsNow()
print(endText(results))
print(`Took ${(results.seconds / 60).toFixed(1)} minutes.`)
if (writes) {
  writeResults(results)
  print(`Written to ${pageOf(results)} and bench/plots.`)
}
// Whatever a workload that was given up still has open.
process.exit()

function resultsNow(): Results {
  const open = planned.slice(measured.length).map(({ workload }) => workload.name)
  return { facts, measured, open, isPartial, isLong: longMinutes !== undefined, seconds: elapsed() }
}

function elapsed(): number {
  return (performance.now() - began) / 1_000
}

async function beginServers(): Promise<void> {
  await within(SERVERS_MS[mode], 'the start of the servers', startServers(setting)).catch((error) =>
    console.error(error),
  )
}

/** Now, and not at the end: even idle they would take a part of the processor from what follows. */
async function endServers(): Promise<void> {
  await within(CLOSING_MS, 'the end of the servers', closeServers()).catch((error) => console.error(error))
}

async function prepared(workload: Workload): Promise<Measure> {
  const { name, measure, prepare } = workload
  if (prepare !== undefined) return asWorkload(name, PREPARING_MS[mode], () => prepare(setting))
  if (measure === undefined) throw new Error(`"${name}" measures nothing`)
  return measure
}

/** The first of what is still open. */
async function measure(open: readonly Planned[]): Promise<Measured> {
  const [planned] = open
  if (planned === undefined) throw new Error('nothing is left to measure')
  const { workload } = planned
  const from = elapsed()
  const budget = budgetOf(open, (longMinutes === undefined ? DEADLINE[mode] : longMinutes * 60) - from, mode)
  const patience = budget + graceOf(planned, mode)
  let saved: Section | undefined
  const own: Options = {
    ...setting,
    until: performance.now() + budget * 1_000,
    patience: performance.now() + patience * 1_000,
    save: (section) => {
      saved = section
    },
  }
  let section: Section
  try {
    if (budget === 0) throw new Error('no time was left for it')
    const measuring = await (measures.get(workload) ?? prepared(workload))
    section = await asWorkload(workload.name, patience * 1_000, () => measuring(own))
  } catch (error) {
    console.error(error)
    section = failedSection(workload.name, error, saved)
  }
  const took = elapsed() - from
  print(sectionText(section))
  print(`(${workload.name}: ${Math.round(took)} s of ${budget})`)
  return { name: workload.name, section, seconds: took, budget }
}

function takesPart(name: string): boolean {
  return contenders?.includes(name) ?? true
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
