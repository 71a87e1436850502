import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { COMPILED } from '../compiled.ts'
import type { News, Task } from './task.ts'

/** Built code, also where tests import the sources: a child starts in a tenth of a second. */
const MAIN = fileURLToPath(new URL('../../dist/crash/child.js', import.meta.url))

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child process at its task. */
export class TaskProcess {
  readonly pid: number
  readonly news: News[] = []
  readonly exited: Promise<Exit>
  private readonly child: ChildProcess
  private readonly waiting = new Set<() => void>()
  private over = false

  /** `main`: the module that does it. */
  constructor(task: Task, main: string = MAIN) {
    const args = [main, JSON.stringify(task)]
    const env = { ...process.env, ...COMPILED }
    this.child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const { pid, stdout, stderr } = this.child
    if (pid === undefined || stdout === null || stderr === null) throw new Error('a child process did not start')
    this.pid = pid
    createInterface({ input: stdout }).on('line', (line) => this.hear(JSON.parse(line) as News))
    createInterface({ input: stderr }).on('line', (warned) => {
      process.stderr.write(`${warned}\n`)
      this.hear({ warned })
    })
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.over = true
        for (const look of this.waiting) look()
        resolve({ code, signal })
      })
    })
  }

  /** Resolves with the first news, past or to come, of which `pick` makes something; rejects if the process ends before. */
  async says<T>(pick: (news: News) => T | undefined): Promise<T> {
    for (let heard = 0; ; ) {
      for (; heard < this.news.length; heard++) {
        const news = this.news[heard]
        const picked = news === undefined ? undefined : pick(news)
        if (picked !== undefined) return picked
      }
      if (this.over) throw new Error(`process ${this.pid} ended without a word`)
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.waiting.delete(look)
          resolve()
        }
        this.waiting.add(look)
      })
    }
  }

  /** The last news that has it. */
  last<Key extends keyof News>(key: Key): News[Key] | undefined {
    return this.news.findLast((news) => news[key] !== undefined)?.[key]
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal)
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  private hear(news: News): void {
    this.news.push(news)
    for (const look of this.waiting) look()
  }
}
