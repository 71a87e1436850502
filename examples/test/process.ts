/** Built examples as processes of their own, the way users run them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
  kill(): void
}

export interface RunOptions {
  readonly cwd: string
  readonly args?: readonly string[]
  readonly env?: { readonly [name: string]: string }
}

/** Runs `examples/dist/<file>`, offline unless `env` says otherwise. Killed with the process that tests it. */
export function run(file: string, { cwd, args = [], env = {} }: RunOptions): Running {
  const child = spawn(process.execPath, [join(built, file), ...args], {
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
  return {
    ended,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stdout.text.includes(text) || stderr.text.includes(text)) resolve()
        }
        child.stdout?.on('data', look)
        child.stderr?.on('data', look)
        look()
        ended.then(() => reject(new Error(`It ended without printing '${text}':\n${stdout.text}\n${stderr.text}`)))
      }),
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
