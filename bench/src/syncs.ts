/**
 * Whether what is called durable reaches the disk: how often a contender asks the kernel to sync, counted from outside
 * by strace, where there is one.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StepShape } from './contender.ts'
import { scratchFolder } from './scratch.ts'
import { Session } from './session.ts'

/** Syncs during so many steps in one run; undefined where they cannot be counted. */
export async function countSyncs(name: string, shape: StepShape, steps: number): Promise<number | undefined> {
  if (spawnSync('strace', ['-V']).error !== undefined) return undefined
  const trace = join(scratchFolder(), 'trace')
  const session = await Session.open(name, name, shape, trace)
  const before = lines(trace)
  await session.inOneRun(steps)
  const syncs = lines(trace) - before
  await session.close()
  return syncs
}

function lines(file: string): number {
  return readFileSync(file, 'utf8').split('\n').length
}
