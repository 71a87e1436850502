/** A folder of its own for a test, the stores opened in it, and child processes that open them too. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Claim, Entry, EntryOf, NewRun, Start, Store } from '@selvage/core'
import { type SqliteStoreOptions, sqliteStore } from '../src/index.ts'

export const LEASE_MS = 10_000
export const P = [{ name: 'p' }]

export interface Place {
  readonly folder: string
  readonly path: string
  open(options?: Partial<SqliteStoreOptions>): Promise<Store>
  child(script: string, ...args: string[]): Child
  close(): Promise<void>
}

export interface Child {
  readonly process: ChildProcess
  /** Resolves with the next line that the child writes. */
  line(): Promise<string>
  readonly exited: Promise<number | null>
}

export function place(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-sqlite-'))
  const path = join(folder, 'selvage.db')
  const stores: Store[] = []
  const children: Child[] = []
  return {
    folder,
    path,
    async open(options = {}) {
      const store = await sqliteStore({ path, ...options })
      stores.push(store)
      return store
    },
    child(script, ...args) {
      const child = spawnChild(script, [path, ...args])
      children.push(child)
      return child
    },
    async close() {
      for (const { process } of children) process.kill('SIGKILL')
      await Promise.all(children.map(({ exited }) => exited))
      await Promise.all(stores.map((store) => store.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** `script` sees `store`, opened on the database of the place, and `args` behind it. */
function spawnChild(script: string, args: readonly string[]): Child {
  const prelude = `import { sqliteStore } from '@selvage/store-sqlite'
    const [path, ...args] = process.argv.slice(1)
    const store = await sqliteStore({ path })
    const say = (line) => process.stdout.write(line + '\\n')
  `
  const child = spawn(
    process.execPath,
    ['--conditions=@selvage/source', '--input-type=module', '--eval', prelude + script, ...args],
    { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] },
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
