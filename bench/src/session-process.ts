/**
 * One session of a contender that needs no packages but ours:
 * node session-process.js <contender> <folder> <shape as JSON> [addresses of its server].
 */
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { serveSteps } from './serve-steps.ts'

const [name = '', folder = '', shape = '{}', ...addresses] = process.argv.slice(2)
const { steps } = contender(name)
if (steps === undefined) throw new Error(`${name} makes no steps`)
serveSteps(await steps(folder, JSON.parse(shape) as StepShape, addresses))
