/**
 * `npm run soak -- --seeds N [--from S]`: random kills from as many seeds as you have time for. It prints what did not
 * hold with the seed and the deaths, and ends with exit code 1 if there was any.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { ORDER } from './conformance/given.ts'
import { atOnce } from './crash/at-once.ts'
import { playUndisturbed } from './crash/play.ts'
import { playSeed } from './crash/play-seed.ts'
import type { EngineModule } from './crash/under-test.ts'

const { values } = parseArgs({
  options: {
    /** Path of the module of the engine under test. */
    engine: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '0' },
  },
})
if (values.engine === undefined) throw new Error('--engine names the module of the engine under test')
const module = pathToFileURL(resolve(values.engine)).href
const { open } = (await import(module)) as EngineModule
const under = { open, module }
const from = Number(values.from)
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => from + index)

const baseline = await playUndisturbed(under, ORDER)
let deaths = 0
let failures = 0
let done = 0
await atOnce(availableParallelism(), seeds, async (seed) => {
  const played = await playSeed(under, ORDER, baseline, seed)
  deaths += played.deaths
  done++
  if (played.wrong.length > 0) failures++
  for (const each of played.wrong) console.error(each)
  if (done % 50 === 0) console.log(`${done} of ${seeds.length} seeds, ${deaths} kills, ${failures} failures`)
})
console.log(`${seeds.length} seeds from ${from} on: ${deaths} kills, ${failures} failures`)
process.exitCode = failures === 0 ? 0 : 1
