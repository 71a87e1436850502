/** The other end of serve-steps.ts. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forkChild, within } from './children.ts'
import type { Contender, StepShape } from './contender.ts'
import { contender } from './contenders/all.ts'
import { install, peerFolder } from './install.ts'
import { scratchFolder } from './scratch.ts'
import type { Answer, Request } from './serve-steps.ts'
import { server } from './servers.ts'

const OPEN_MS = 60_000
/** Longer than anything here takes on a machine that is slow; a peer that hangs is given up then. */
const ANSWER_MS = 60_000

export class Session {
  readonly label: string
  readonly folder: string
  private readonly who: Contender
  private readonly child: ChildProcess
  private made = 0

  static async open(name: string, label: string, shape: StepShape): Promise<Session> {
    const who = contender(name)
    if (who.peer !== undefined) await install(who.peer.folder)
    const addresses = who.server === undefined ? [] : await (await server(who.server)).addresses()
    const folder = scratchFolder()
    const args = [folder, JSON.stringify(shape), ...addresses]
    // What a program leaves where it runs is gone with the folder.
    const child = forkChild(programOf(who), who.peer === undefined ? [name, ...args] : args, { cwd: folder })
    const session = new Session(who, label, folder, child)
    await session.answered(OPEN_MS, 'its start')
    return session
  }

  private constructor(who: Contender, label: string, folder: string, child: ChildProcess) {
    this.who = who
    this.label = label
    this.folder = folder
    this.child = child
  }

  inOneRun(steps: number): Promise<Answer> {
    this.made += steps
    return this.ask({ what: 'inOneRun', steps })
  }

  /** `goes`: so many times, one after another; then the ends of the runs are in the time, too. */
  atOnce(runs: number, steps: number, goes?: number): Promise<Answer> {
    this.made += runs * steps * (goes ?? 1)
    return this.ask({ what: 'atOnce', runs, steps, goes })
  }

  /** Does nothing but watch a 2 ms timer. */
  idle(ms: number): Promise<Answer> {
    return this.ask({ what: 'idle', ms })
  }

  /** The process that syncs what the contender records. */
  async syncing(): Promise<number> {
    return this.who.server === undefined ? (this.child.pid ?? 0) : (await server(this.who.server)).pid
  }

  /** Ends the process and compares what was asked for with what is recorded. Resolves to the steps counted. */
  async close(): Promise<number> {
    const { counted: inside } = await this.ask({ what: 'count' })
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    await this.ask({ what: 'close' })
    await within(ANSWER_MS, `the end of ${this.label}`, gone)
    const counted = this.who.countSteps?.(this.folder) ?? inside
    if (counted !== this.made) throw new Error(`${this.label}: ${this.made} steps were made, ${counted} are recorded`)
    return counted
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private ask(request: Request): Promise<Answer> {
    const answered = this.answered(ANSWER_MS, `"${request.what}"`)
    // A process that has gone is told of by its end.
    this.child.send(request, () => {})
    return answered as Promise<Answer>
  }

  private async answered(ms: number, what: string): Promise<unknown> {
    const { child, label } = this
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const failed = (code: number | null, signal: string | null): void =>
      reject(new Error(`${label} ended with ${signal ?? `code ${code}`} in ${what}`))
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${label} has ended before ${what}`)
    child.once('exit', failed)
    child.once('message', resolve)
    try {
      return await within(ms, `${what} of ${label}`, promise)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    } finally {
      child.off('exit', failed)
      child.off('message', resolve)
    }
  }
}

function programOf({ peer }: Contender): URL {
  if (peer === undefined) return new URL('./session-process.js', import.meta.url)
  return pathToFileURL(join(peerFolder(peer.folder), peer.program))
}
