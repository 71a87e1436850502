/**
 * What a kill repeats, in each way: a process is killed with SIGKILL in the middle of a tool, and a second one goes on.
 * Every call leaves a line in a file outside of whatever the way keeps, so the counts are those of both processes.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forkChild } from '../children.ts'
import { scratchFolder } from '../scratch.ts'
import type { Shape, WayName } from './ways.ts'

/** Over all processes of a run. */
export interface Calls {
  readonly model: number
  readonly tool: number
}

/** Of a run that nobody kills. */
export async function whole(way: WayName, shape: Omit<Shape, 'folder'>): Promise<Calls> {
  const run = { ...shape, folder: scratchFolder() }
  const calls = join(scratchFolder(), 'calls')
  await told(begin(way, run, calls, 0), 'ended')
  return counted(calls, way, shape.cycles)
}

/** Of a run that is killed in the tool call of cycle `part`, and resumed. */
export async function killed(way: WayName, shape: Omit<Shape, 'folder'>, part: number): Promise<Calls> {
  const run = { ...shape, folder: scratchFolder() }
  const calls = join(scratchFolder(), 'calls')
  const first = begin(way, run, calls, part)
  await told(first, 'in the tool')
  const gone = once(first, 'exit')
  first.kill('SIGKILL')
  const [, signal] = await gone
  if (signal !== 'SIGKILL') throw new Error(`"${way}" was not killed`)
  const before = partsIn(lines(calls))
  if (before.length !== part || before.at(-1) !== part) {
    throw new Error(`"${way}" was killed behind ${before.length} tool calls, not in the ${part}th`)
  }
  await told(begin(way, run, calls, 0), 'ended')
  return counted(calls, way, shape.cycles)
}

function begin(way: WayName, shape: Shape, calls: string, part: number): ChildProcess {
  return forkChild(new URL('./killed-process.js', import.meta.url), [way, JSON.stringify(shape), calls, String(part)])
}

async function told(child: ChildProcess, what: 'in the tool' | 'ended'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  child.once('exit', (code) => reject(new Error(`a process ended with code ${code} before it was "${what}"`)))
  const message = await promise
  if (message !== what) throw new Error(`a process should have been "${what}", and was "${String(message)}"`)
  if (what === 'ended') await once(child, 'exit')
}

function counted(calls: string, way: WayName, cycles: number): Calls {
  const all = lines(calls)
  const parts = partsIn(all)
  for (let part = 1; part <= cycles; part++) {
    if (!parts.includes(part)) throw new Error(`"${way}" has ended and never read part ${part}`)
  }
  return { model: all.length - parts.length, tool: parts.length }
}

function lines(calls: string): string[] {
  return readFileSync(calls, 'utf8').split('\n').filter(Boolean)
}

function partsIn(all: readonly string[]): number[] {
  return all.filter((line) => line !== 'model').map((line) => Number(line.replace('tool ', '')))
}
