/**
 * Whether what is called durable reaches the disk: how often a contender asks the kernel to sync, counted from outside
 * by strace, where there is one. Of a contender with a server, those of the server.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { known, within } from './children.ts'
import { scratchFolder } from './scratch.ts'
import type { Session } from './session.ts'

const ATTACH_MS = 10_000

/** Syncs while `work` goes on; undefined where they cannot be counted. */
export async function countSyncs(session: Session, work: () => Promise<unknown>): Promise<number | undefined> {
  if (spawnSync('strace', ['-V']).error !== undefined) return undefined
  const trace = join(scratchFolder(), 'trace')
  const watcher = await watch(await session.syncing(), trace)
  if (watcher === undefined) return undefined
  const before = lines(trace)
  try {
    await work()
  } finally {
    const gone = once(watcher, 'exit')
    watcher.kill('SIGINT')
    await within(ATTACH_MS, 'the end of strace', gone)
  }
  return lines(trace) - before
}

/** All threads of a process and of those below it, and what they begin; undefined where that is not allowed. */
async function watch(pid: number, trace: string): Promise<ChildProcess | undefined> {
  const watched = below(pid).flatMap((each) => ['-p', String(each)])
  const child = known(
    spawn('strace', ['-f', '-e', 'trace=fsync,fdatasync', '-o', trace, ...watched], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  )
  const said = within(ATTACH_MS, `strace of process ${pid}`, once(child.stderr ?? child, 'data'))
  const isAttached = await said.then(
    ([text]) => /attached/.test(String(text)),
    () => false,
  )
  if (!isAttached) child.kill('SIGKILL')
  // The others of a server follow within a moment.
  if (watched.length > 2) await new Promise((resolve) => setTimeout(resolve, 200))
  return isAttached ? child : undefined
}

/** PostgreSQL has a process for each connection. */
function below(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(below)]
}

/** Calls that were interrupted stand on two lines; the second is not counted. */
function lines(file: string): number {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => /\bf(data)?sync\(/.test(line)).length
  } catch {
    return 0
  }
}
