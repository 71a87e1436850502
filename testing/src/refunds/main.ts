/**
 * `npm run refunds -- --kills N [--from S]`: the refund experiment with as many seeds as you have time for. Prints a
 * figure for each program; exit code 1 if anything was done twice or left out, or if a program without Selvage has fewer duplicates than kills.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { EngineModule } from '../crash/under-test.ts'
import { faults, figure, type RefundProgram, refunds } from './experiment.ts'
import { experiment } from './returns.ts'

const { values } = parseArgs({
  options: {
    /** Path of the module of the engine under test. */
    engine: { type: 'string' },
    /** Paths of modules that export an `experiment`. Default: the workflow of returns.ts. */
    program: { type: 'string', multiple: true, default: [] },
    kills: { type: 'string', default: '200' },
    /** The first seed. */
    from: { type: 'string', default: '0' },
  },
})
if (values.engine === undefined) throw new Error('--engine names the module of the engine under test')
const module = pathToFileURL(resolve(values.engine)).href
const { open } = (await import(module)) as EngineModule
const seeds = Array.from({ length: Number(values.kills) }, (_, index) => Number(values.from) + index)

const programs: { readonly [name: string]: RefundProgram } = { workflow: experiment }
for (const path of values.program) {
  const module = (await import(pathToFileURL(resolve(path)).href)) as { readonly experiment: RefundProgram }
  Object.assign(programs, { [path]: module.experiment })
}
for (const [name, program] of Object.entries(programs)) {
  const found = await refunds({ open, module }, program, seeds)
  const wrong = faults(found)
  for (const each of wrong) console.error(`${name}: ${each}`)
  console.log(`${name}: ${figure(found)}`)
  if (wrong.length > 0) process.exitCode = 1
}
