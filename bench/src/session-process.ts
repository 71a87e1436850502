/** One session of a contender in a process of its own: node session-process.js <contender> <folder> <shape as JSON>. */

import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { Lateness } from './lateness.ts'

export type Request =
  | { readonly what: 'inOneRun'; readonly steps: number }
  | { readonly what: 'atOnce'; readonly runs: number; readonly steps: number }
  | { readonly what: 'idle'; readonly ms: number }
  | { readonly what: 'close' }

export interface Answer {
  readonly ms: number
  /** Of `inOneRun`: how long each step took. */
  readonly stepMs: readonly number[]
  /** User and system time of the process, milliseconds. */
  readonly cpuMs: number
  /** Of a 2 ms timer beside the work; only `atOnce` and `idle` have one. */
  readonly worstLatenessMs: number
}

const [name = '', folder = '', shape = '{}'] = process.argv.slice(2)
const { steps } = contender(name)
if (steps === undefined) throw new Error(`${name} makes no steps`)
const session = await steps(folder, JSON.parse(shape) as StepShape)
const lateness = new Lateness()

process.on('message', (request: Request) => {
  answer(request).then(
    (value) => process.send?.(value, () => request.what === 'close' && process.disconnect()),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.send?.('open')

async function answer(request: Request): Promise<Answer> {
  const watched = request.what === 'atOnce' || request.what === 'idle'
  const cpu = process.cpuUsage()
  if (watched) lateness.begin()
  const done = await perform(request)
  const worstLatenessMs = watched ? lateness.end() : 0
  const { user, system } = process.cpuUsage(cpu)
  const stepMs = typeof done === 'number' ? [] : done
  const ms = typeof done === 'number' ? done : done.reduce((sum, each) => sum + each, 0)
  return { ms, stepMs, cpuMs: (user + system) / 1_000, worstLatenessMs }
}

async function perform(request: Request): Promise<number | readonly number[]> {
  switch (request.what) {
    case 'inOneRun':
      return session.inOneRun(request.steps)
    case 'atOnce':
      if (session.atOnce === undefined) throw new Error(`${name} has no runs at once`)
      return session.atOnce(request.runs, request.steps)
    case 'idle':
      await new Promise((resolve) => setTimeout(resolve, request.ms))
      return request.ms
    case 'close':
      await session.close()
      return 0
  }
}
