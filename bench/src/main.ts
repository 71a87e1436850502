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
/** Of one workload; the longest takes about half of it. */
const LIMIT_MS = 15 * 60_000
const QUICK_LIMIT_MS = 2 * 60_000
/** For what is cleaned up when the time is over. */
const GRACE_MS = 20_000

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
const options: Options = {
  quick: values.quick,
  takesPart: (name) => contenders?.includes(name) ?? true,
  until: began + TOTAL_MS,
}
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
  const limit = values.quick ? QUICK_LIMIT_MS : Math.min(LIMIT_MS, options.until + GRACE_MS - performance.now())
  const from = performance.now()
  try {
    return await asWorkload(workload.name, limit, () => workload.measure(options))
  } catch (error) {
    console.error(error)
    return failedSection(workload.name, error)
  } finally {
    print(`(${workload.name}: ${Math.round((performance.now() - from) / 1_000)} s)`)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
