/**
 * Whether what is called durable reaches the disk: how often a contender asks the kernel to sync, counted from outside
 * by strace, where there is one. Of a contender with a server, those of the server.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { known, within } from './children.ts'
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { scratchFolder } from './scratch.ts'
import { server } from './servers.ts'
import { Session } from './session.ts'

const ATTACH_MS = 10_000

/** Syncs during so many steps in one run; undefined where they cannot be counted. */
export function countSyncs(name: string, shape: StepShape, steps: number): Promise<number | undefined> {
  return traced(name, shape, (session) => session.inOneRun(steps))
}

/** The same of many runs at once. */
export function countSyncsAtOnce(
  name: string,
  shape: StepShape,
  runs: number,
  steps: number,
): Promise<number | undefined> {
  return traced(name, shape, (session) => session.atOnce(runs, steps))
}

async function traced(
  name: string,
  shape: StepShape,
  work: (session: Session) => Promise<unknown>,
): Promise<number | undefined> {
  if (spawnSync('strace', ['-V']).error !== undefined) return undefined
  const trace = join(scratchFolder(), 'trace')
  const { server: kind } = contender(name)
  const watcher = kind === undefined ? undefined : await watch((await server(kind)).pid, trace)
  const session = await Session.open(name, name, shape, watcher === undefined ? { traced: trace } : {})
  const before = lines(trace)
  await work(session)
  const syncs = lines(trace) - before
  await session.close()
  watcher?.kill('SIGINT')
  return syncs
}

/** Processes that the server forks from now on are watched too: those of new connections to PostgreSQL. */
async function watch(pid: number, trace: string): Promise<ChildProcess> {
  const child = known(
    spawn('strace', ['-f', '-e', 'trace=fsync,fdatasync', '-o', trace, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  )
  await within(ATTACH_MS, `strace of process ${pid}`, once(child.stderr ?? child, 'data'))
  return child
}

/** Calls that were interrupted stand on two lines; the second is not counted. */
function lines(file: string): number {
  if (!existsSync(file)) return 0
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /\bf(data)?sync\(/.test(line)).length
}
