/**
 * Child processes of the bench, all known, so that none outlives the workload that started it. A workload that was given
 * up gets no new ones: what is left of it fails at its next step. None outlives this process either.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'

interface Started {
  isOver: boolean
  readonly running: Set<ChildProcess>
}

const workload = new AsyncLocalStorage<Started>()
/** By nobody's workload: the process ends with them. */
const outside: Started = { isOver: false, running: new Set() }

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Ends with `work`, or when that takes longer than `ms`; nothing that it started is left. Others go on beside it. */
export async function asWorkload<T>(name: string, ms: number, work: () => Promise<T>): Promise<T> {
  const state: Started = { isOver: false, running: new Set() }
  try {
    return await workload.run(state, () => within(ms, `the workload "${name}"`, work()))
  } finally {
    state.isOver = true
    for (const child of state.running) child.kill('SIGKILL')
  }
}

export function forkChild(module: URL, args: readonly string[], options: ForkOptions = {}): ChildProcess {
  refuseIfOver()
  return known(fork(module, args, options))
}

/** Returns it. */
export function known(child: ChildProcess): ChildProcess {
  refuseIfOver()
  const own = (workload.getStore() ?? outside).running
  child.on('error', () => {})
  for (const all of [running, own]) all.add(child)
  child.once('exit', () => {
    for (const all of [running, own]) all.delete(child)
  })
  return child
}

function refuseIfOver(): void {
  if (workload.getStore()?.isOver === true) throw new Error('the workload was given up')
}

/** Rejects when `promise` takes longer. What it does goes on until its processes are killed. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  if (ms <= 0) {
    promise.catch(() => {})
    throw new Error(`no time was left for ${what}`)
  }
  const { promise: never, reject } = Promise.withResolvers<never>()
  const late = (): void => reject(new Error(`${what} took longer than ${Math.round(ms / 1_000)} s`))
  const timer = setTimeout(late, ms)
  try {
    return await Promise.race([promise, never])
  } finally {
    clearTimeout(timer)
  }
}
