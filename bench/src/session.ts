/** The other end of session-process.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import type { StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { scratchFolder } from './scratch.ts'
import type { Answer, Request } from './session-process.ts'

export class Session {
  readonly label: string
  readonly folder: string
  private readonly name: string
  private readonly child: ChildProcess
  private made = 0

  /** `traced`: under strace, its syncs written to that file. */
  static async open(name: string, label: string, shape: StepShape, traced?: string): Promise<Session> {
    const folder = scratchFolder()
    const tracer = ['-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', traced ?? '', process.execPath]
    const child = fork(
      new URL('./session-process.js', import.meta.url),
      [name, folder, JSON.stringify(shape)],
      traced === undefined ? {} : { execPath: 'strace', execArgv: tracer },
    )
    await reply(child)
    return new Session(name, label, folder, child)
  }

  private constructor(name: string, label: string, folder: string, child: ChildProcess) {
    this.name = name
    this.label = label
    this.folder = folder
    this.child = child
  }

  inOneRun(steps: number): Promise<Answer> {
    this.made += steps
    return this.ask({ what: 'inOneRun', steps })
  }

  atOnce(runs: number, steps: number): Promise<Answer> {
    this.made += runs * steps
    return this.ask({ what: 'atOnce', runs, steps })
  }

  /** Does nothing but watch a 2 ms timer. */
  idle(ms: number): Promise<Answer> {
    return this.ask({ what: 'idle', ms })
  }

  /** Ends the process and compares what was asked for with what is in the database. Resolves to the steps counted. */
  async close(): Promise<number> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    await this.ask({ what: 'close' })
    await gone
    const counted = contender(this.name).countSteps?.(this.folder)
    if (counted !== this.made) throw new Error(`${this.label}: ${this.made} steps were made, ${counted} are recorded`)
    return counted
  }

  private async ask(request: Request): Promise<Answer> {
    const answered = reply(this.child)
    this.child.send(request)
    return (await answered) as Answer
  }
}

function reply(child: ChildProcess): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const failed = (code: number | null): void => reject(new Error(`a session ended early, with code ${code}`))
  child.once('exit', failed)
  child.once('message', (message) => {
    child.off('exit', failed)
    resolve(message)
  })
  return promise
}
