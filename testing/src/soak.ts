/**
 * `npm run soak -- --seeds N [--from S]`: random kills from as many seeds as you have time for, of each scenario: the order
 * and the messages of the conformance sections, agents, and the refund experiment. It prints what did not hold with the seed and the deaths, and ends with exit
 * code 1 if there was any.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { MESSAGES, ORDER } from './conformance/given.ts'
import { atOnce } from './crash/at-once.ts'
import { playUndisturbed } from './crash/play.ts'
import { playSeed } from './crash/play-seed.ts'
import type { ScenarioModule } from './crash/scenario.ts'
import type { Given } from './crash/site.ts'
import type { EngineModule } from './crash/under-test.ts'
import { faults, figure, type RefundProgram, refunds } from './refunds/experiment.ts'
import { experiment as workflow } from './refunds/returns.ts'

const { values } = parseArgs({
  options: {
    /** Path of the module of the engine under test. */
    engine: { type: 'string' },
    /** `order`, `messages`, `refunds`, or the path of the module of a scenario or of an `experiment`; as often as there are. */
    scenario: { type: 'string', multiple: true, default: ['order'] },
    /** Default 100; of `refunds` 200. */
    seeds: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
})
if (values.engine === undefined) throw new Error('--engine names the module of the engine under test')
const module = pathToFileURL(resolve(values.engine)).href
const { open } = (await import(module)) as EngineModule
const under = { open, module }
const from = Number(values.from)
const seedsOf = (usual: number): number[] =>
  Array.from({ length: Number(values.seeds ?? usual) }, (_, index) => from + index)

let failures = 0
for (const name of values.scenario) {
  const given = await loaded(name)
  failures += 'baselines' in given ? await soakRefunds(name, given) : await soak(name, given)
}
process.exitCode = failures === 0 ? 0 : 1

async function loaded(name: string): Promise<Given | RefundProgram> {
  if (name === 'order') return ORDER
  if (name === 'messages') return MESSAGES
  if (name === 'refunds') return workflow
  const module = pathToFileURL(resolve(name)).href
  const { scenario, experiment } = (await import(module)) as ScenarioModule & { experiment?: RefundProgram }
  return experiment ?? { scenario, module }
}

/** Resolves with the number of seeds of which something did not hold. */
async function soak(name: string, given: Given): Promise<number> {
  const seeds = seedsOf(100)
  const baseline = await playUndisturbed(under, given)
  let deaths = 0
  let failed = 0
  let done = 0
  await atOnce(availableParallelism(), seeds, async (seed) => {
    const played = await playSeed(under, given, baseline, seed)
    deaths += played.deaths
    done++
    if (played.wrong.length > 0) failed++
    for (const each of played.wrong) console.error(`${name}: ${each}`)
    if (done % 50 === 0) console.log(`${name}: ${done} of ${seeds.length} seeds, ${deaths} kills, ${failed} failures`)
  })
  console.log(`${name}: ${seeds.length} seeds from ${from} on: ${deaths} kills, ${failed} failures`)
  return failed
}

/** Every way with every seed: its kills are those between an effect and its record. */
async function soakRefunds(name: string, program: RefundProgram): Promise<number> {
  const found = await refunds(under, program, seedsOf(200))
  const wrong = faults(found)
  for (const each of wrong) console.error(`${name}: ${each}`)
  console.log(`${name}: ${figure(found)}`)
  return wrong.length
}
