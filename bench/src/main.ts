/**
 * npm run bench [-- --quick] [-- --only=step,load] [-- --contender=selvage,dbos]
 *
 * A whole run writes bench/RESULTS.md and bench/plots; a quick or partial one only prints, unless told to --write. What
 * fails or takes too long is named in the results, and the rest goes on.
 */
import { parseArgs } from 'node:util'
import { asWorkload } from './children.ts'
import { machine } from './machine.ts'
import { failedSection, type Section, sectionText } from './report.ts'
import { factsText, promisesText, type Results, writeResults } from './results.ts'
import { closeServers } from './servers.ts'
import type { Options, Workload } from './workload.ts'
import { bytes } from './workloads/bytes.ts'
import { cycles } from './workloads/cycles.ts'
import { load } from './workloads/load.ts'
import { many } from './workloads/many.ts'
import { recovery } from './workloads/recovery.ts'
import { session } from './workloads/session.ts'
import { signals } from './workloads/signals.ts'
import { sleepers } from './workloads/sleepers.ts'
import { step } from './workloads/step.ts'

/** Last the one that takes what time is left. */
const WORKLOADS: readonly Workload[] = [step, load, signals, recovery, session, sleepers, many, bytes, cycles]
const TOTAL_MS = 19 * 60_000
/** Of one workload: it begins nothing more then, and says what it has left out. */
const LIMIT_MS = 14 * 60_000
const QUICK_LIMIT_MS = 3 * 60_000
/** For what was begun before. Then it is given up, with nothing to show. */
const GRACE_MS = 25_000

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    contender: { type: 'string' },
  },
})
const [workloads, contenders] = [values.only, values.contender].map((names) => names?.split(','))
const began = performance.now()
// Ends what ends with the process: servers, folders.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const total = began + TOTAL_MS
const options = { quick: values.quick, takesPart: (name: string): boolean => contenders?.includes(name) ?? true }
const facts = machine()
print(factsText(facts))
const sections: Section[] = []
for (const workload of WORKLOADS) {
  if (workloads?.includes(workload.name) === false) continue
  const section = await measured(workload)
  sections.push(section)
  print(sectionText(section))
}
await closeServers()
const results: Results = { facts, sections, minutes: (performance.now() - began) / 60_000 }
print(promisesText(sections))
print(`Took ${results.minutes.toFixed(1)} minutes.`)
if (values.write || (!values.quick && workloads === undefined && contenders === undefined)) {
  writeResults(results)
  print('Written to bench/RESULTS.md and bench/plots.')
}
// Whatever a workload that was given up still has open.
process.exit()

async function measured(workload: Workload): Promise<Section> {
  const from = performance.now()
  const limit = Math.min(values.quick ? QUICK_LIMIT_MS : LIMIT_MS, total - from)
  let saved: Section | undefined
  const save = (section: Section): void => {
    saved = section
  }
  try {
    const own: Options = { ...options, until: from + limit, save }
    return await asWorkload(workload.name, limit + GRACE_MS, () => workload.measure(own))
  } catch (error) {
    console.error(error)
    return failedSection(workload.name, error, saved)
  } finally {
    print(`(${workload.name}: ${Math.round((performance.now() - from) / 1_000)} s)`)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
