/**
 * `npm run refunds -- --kills N [--from S]`: the refund experiment with as many seeds as you have time for. Prints its
 * figure; exit code 1 if anything was done twice or left out, or if the plain program has fewer duplicates than kills.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { EngineModule } from '../crash/under-test.ts'
import { faults, figure, refunds } from './experiment.ts'

const { values } = parseArgs({
  options: {
    /** Path of the module of the engine under test. */
    engine: { type: 'string' },
    kills: { type: 'string', default: '200' },
    /** The first seed. */
    from: { type: 'string', default: '0' },
  },
})
if (values.engine === undefined) throw new Error('--engine names the module of the engine under test')
const module = pathToFileURL(resolve(values.engine)).href
const { open } = (await import(module)) as EngineModule
const seeds = Array.from({ length: Number(values.kills) }, (_, index) => Number(values.from) + index)

const found = await refunds({ open, module }, seeds)
const wrong = faults(found)
for (const each of wrong) console.error(each)
console.log(figure(found))
process.exitCode = wrong.length === 0 ? 0 : 1
