/** Built examples as processes of their own, the way users run them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const built = join(import.meta.dirname, '../dist')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly ended: Promise<Ended>
  /** Resolves when the process has printed this, on whichever stream; rejects if it ends without. */
  printed(text: string): Promise<void>
  /** Resolves with the first text like that. */
  printedAs(pattern: RegExp): Promise<string>
  kill(): void
}

export interface RunOptions {
  readonly cwd: string
  readonly args?: readonly string[]
  readonly env?: { readonly [name: string]: string }
}

/** Runs `examples/dist/<file>`, or a file by its whole path, offline unless `env` says otherwise. Killed with the process that tests it. */
export function run(file: string, { cwd, args = [], env = {} }: RunOptions): Running {
  const child = spawn(process.execPath, [resolve(built, file), ...args], {
    cwd,
    env: { ...withoutKeys(), NO_COLOR: '1', SELVAGE_PROVIDER: 'offline', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = (): void => void child.kill('SIGKILL')
  process.once('exit', stop)
  const stdout = collect(child, 'stdout')
  const stderr = collect(child, 'stderr')
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', stop)
      resolve({ code, signal, stdout: stdout.text, stderr: stderr.text })
    })
  })
  const shows = <T>(what: string, find: (text: string) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = find(stdout.text) ?? find(stderr.text)
        if (found !== undefined) resolve(found)
      }
      child.stdout?.on('data', look)
      child.stderr?.on('data', look)
      look()
      ended.then(() => reject(new Error(`It ended without printing '${what}':\n${stdout.text}\n${stderr.text}`)))
    })
  return {
    ended,
    printed: async (text) => void (await shows(text, (all) => all.includes(text) || undefined)),
    printedAs: (pattern) => shows(pattern.source, (all) => pattern.exec(all)?.[0]),
    kill: stop,
  }
}

export function temporaryFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'selvage-examples-')))
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): { text: string } {
  const collected = { text: '' }
  child[name]?.setEncoding('utf8').on('data', (text: string) => {
    collected.text += text
  })
  return collected
}

/** Keys of the machine that the tests run on must not make them call a real model. */
function withoutKeys(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env)
  return Object.fromEntries(entries.filter(([name]) => !/^(SELVAGE_|OPENAI_|ANTHROPIC_|AWS_|FORCE_COLOR)/.test(name)))
}
