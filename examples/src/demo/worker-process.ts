/** A worker as its orchestrator sees it: a process that tells what it calls, and that can be killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CallNote } from './call-log.ts'
import type { Settings } from './settings.ts'

/** What a worker tells by IPC. `working`: it claims runs from now on. */
export type News = { readonly type: 'working' } | { readonly type: 'call'; readonly note: CallNote }

export interface Watcher {
  onNews(news: News): void
  /** A line that the worker printed. */
  onLine(line: string): void
  /** It ended without being told to. */
  onDeath(how: string): void
}

const PROGRAM = fileURLToPath(import.meta.resolve('./worker.js'))

export class WorkerProcess {
  readonly #process: ChildProcess
  readonly #exited: Promise<NodeJS.Signals | null>
  #wanted = false

  constructor(settings: Settings, watcher: Watcher) {
    this.#process = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#process.on('message', (news: News) => watcher.onNews(news))
    this.#exited = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        if (!this.#wanted) watcher.onDeath(signal ?? `exit code ${code}`)
        resolve(signal)
      })
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) eachLine(stream, watcher.onLine)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** `kill -9`. Resolves with the signal that it died of. */
  kill(): Promise<NodeJS.Signals | null> {
    this.#wanted = true
    this.#process.kill('SIGKILL')
    return this.#exited
  }

  /** Lets it go when there is nothing left to do. */
  async dismiss(): Promise<void> {
    this.#wanted = true
    if (this.#process.connected) this.#process.disconnect()
    await this.#exited
  }
}

function eachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = ''
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') onLine(line)
  })
}
