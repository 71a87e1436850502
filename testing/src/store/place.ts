/** Where the contract of stores is tested: stores on one database, the processes that open it, and what they are given. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Claim, Entry, EntryOf, NewRun, Programs, Start, Store } from '@selvage/core'

export const LEASE_MS = 10_000
/** Less than any lease. */
const PATIENCE_MS = LEASE_MS / 2
export const P: readonly Programs[] = [{ name: 'p' }]

/** An empty database. */
export interface StorePlace {
  /** One more store on it; `close` closes all of them. */
  open(): Promise<Store>
  /** A process in which `script` sees `store`, opened on the same database, `args`, and `say(line)`. */
  child(script: string, ...args: string[]): Child
  close(): Promise<void>
}

export interface Child {
  readonly process: ChildProcess
  /** Resolves with the next line that the child writes. */
  line(): Promise<string>
  readonly exited: Promise<number | null>
}

/** `opening`: code of a module that leaves `store`, opened on what `process.argv[1]` says. */
export function spawnChild(
  opening: string,
  script: string,
  place: string,
  args: readonly string[],
  cwd: string,
): Child {
  const prelude = `${opening}
    const args = process.argv.slice(2)
    const say = (line) => process.stdout.write(line + '\\n')
  `
  const child = spawn(
    process.execPath,
    ['--conditions=@selvage/source', '--input-type=module', '--eval', prelude + script, place, ...args],
    { cwd, stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    async line() {
      const next = await lines.next()
      if (next.done === true) throw new Error('the child has ended')
      return next.value
    },
    exited: new Promise((resolve) => child.on('exit', resolve)),
  }
}

export function newRun(runId: string, start: Partial<Start> = {}, over: Partial<NewRun> = {}): NewRun {
  const whole: Start = { program: 'p', input: null, ...start }
  return { runId, start: whole, salt: 'salt', inputHash: JSON.stringify(whole.input), at: 1_000, ...over }
}

export function step(seq: number, over: Partial<EntryOf<'step'>> = {}): EntryOf<'step'> {
  const key = over.key ?? `k${seq}`
  return {
    seq,
    at: 2_000 + seq,
    type: 'step',
    key,
    op: { key, kind: 'tool', name: 'search' },
    attempt: 1,
    startedAt: 1_990 + seq,
    outcome: { ok: { seq } },
    ...over,
  }
}

export function end(seq: number, outcome: EntryOf<'end'>['outcome'] = { ok: null }): Entry {
  return { seq, at: 3_000, type: 'end', outcome }
}

export async function enlisted(store: Store, id = 'w', now = 1_000): Promise<string> {
  await store.enlist({ id, pid: process.pid, host: 'here' }, LEASE_MS, now)
  return id
}

/** A new run in the hands of worker `w`, which must be enlisted. */
export async function claimed(store: Store, runId = 'r', worker = 'w', start: Partial<Start> = {}): Promise<Claim> {
  await store.create(newRun(runId, start))
  return await store.claimRun(worker, runId, 1_500)
}

/** The first answer that is not nothing: a database on a server learns of a death when it reads the end of a connection. */
export async function whenSeen<T>(look: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const seen = await look()
    if (seen || performance.now() > until) return seen
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
