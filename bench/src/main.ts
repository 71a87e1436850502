/**
 * npm run bench [-- --quick] [-- --only=step,load] [-- --contender=selvage,dbos]
 *
 * A whole run writes bench/RESULTS.md and bench/plots, again as each section ends; a quick or partial one only prints,
 * unless told to --write. What fails or takes too long is named in the results, and the rest goes on.
 */
import { parseArgs } from 'node:util'
import { asWorkload, within } from './children.ts'
import { machine } from './machine.ts'
import { DEADLINE, GRACE, PLAN, type Planned, TOTAL } from './plan.ts'
import { failedSection, type Section, sectionText } from './report.ts'
import { endText, factsText, type Measured, type Results, writeResults } from './results.ts'
import { closeServers } from './servers.ts'
import { setUp } from './set-up.ts'
import type { Options } from './workload.ts'

const CLOSING_MS = 10_000
/** Of its seconds a section has, whatever those before it took. */
const LEAST_SHARE = 0.7

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    contender: { type: 'string' },
  },
})
const mode = values.quick ? 'quick' : 'whole'
const [workloads, contenders] = [values.only, values.contender].map((names) => names?.split(','))
const isPartial = values.quick || workloads !== undefined || contenders !== undefined
const writes = values.write || !isPartial
const began = performance.now()
// Ends what ends with the process: servers, folders.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
// What is left of a workload that was given up fails when its processes are gone.
process.on('unhandledRejection', (error) => console.error('Behind a workload that was given up:', error))

const facts = machine()
print(factsText(facts))
const measured: Measured[] = []
const planned = PLAN.filter(({ workload }) => workloads?.includes(workload.name) !== false)
const unknown = workloads?.filter((name) => !PLAN.some(({ workload }) => workload.name === name)) ?? []
if (unknown.length > 0) throw new Error(`no workload ${unknown.join(', ')}: see bench/README.md`)
await setUp(planned, takesPart, mode)
const ready = elapsed()
const end = Math.min(ready + TOTAL[mode], DEADLINE[mode] - GRACE[mode])
let due = ready
for (const each of planned) {
  due += each.seconds[mode]
  measured.push(await measure(each, due))
  if (writes) writeResults(resultsNow())
}
await within(CLOSING_MS, 'the end of the servers', closeServers()).catch((error) => console.error(error))
const results = resultsNow()
print(endText(results))
print(`Took ${(results.seconds / 60).toFixed(1)} minutes.`)
if (writes) {
  writeResults(results)
  print('Written to bench/RESULTS.md and bench/plots.')
}
// Whatever a workload that was given up still has open.
process.exit()

function resultsNow(): Results {
  const open = planned.slice(measured.length).map(({ workload }) => workload.name)
  return { facts, measured, open, isPartial, seconds: elapsed() }
}

function elapsed(): number {
  return (performance.now() - began) / 1_000
}

/** What the sections before have not used is its own, too; the last one of the plan has all that is left. */
async function measure({ workload, seconds }: Planned, due: number): Promise<Measured> {
  const from = elapsed()
  const left = Math.max(0, end - from)
  const isLast = workload === PLAN.at(-1)?.workload
  const wanted = Math.max(due - from, LEAST_SHARE * seconds[mode])
  const budget = Math.round(isLast ? left : Math.min(wanted, left))
  let saved: Section | undefined
  const own: Options = {
    quick: values.quick,
    takesPart,
    until: performance.now() + budget * 1_000,
    save: (section) => {
      saved = section
    },
  }
  let section: Section
  try {
    if (budget === 0) throw new Error('no time was left for it')
    section = await asWorkload(workload.name, (budget + GRACE[mode]) * 1_000, () => workload.measure(own))
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
