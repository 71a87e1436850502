/** A folder with a database, a selvage of this process on it that does no work, and worker processes that do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KillAt } from '@selvage/testing'
import { type OpenOptions, openSelvage, type Selvage } from 'selvage/core'

export class Workers {
  readonly folder: string
  readonly selvage: Selvage
  /** In the order in which they were spawned. */
  readonly processes: ChildProcess[] = []
  readonly #module: string

  private constructor(folder: string, selvage: Selvage, module: string) {
    this.folder = folder
    this.selvage = selvage
    this.#module = module
  }

  /** `module`: what the processes run, a file beside this one that begins with `mortal()`. */
  static async open(module: string, options: OpenOptions = {}): Promise<Workers> {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-workers-'))
    const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}`, work: false, ...options })
    return new Workers(folder, selvage, join(import.meta.dirname, module))
  }

  spawn(kill?: KillAt): ChildProcess {
    const args = [this.#module, this.folder, ...(kill === undefined ? [] : [JSON.stringify(kill)])]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] })
    this.processes.push(child)
    return child
  }

  /** Resolves when a new worker has died where it should; rejects if it ends in another way. */
  async dies(kill: KillAt): Promise<void> {
    const [code, signal] = await once(this.spawn(kill), 'exit')
    if (signal !== 'SIGKILL')
      throw new Error(`a worker ended with ${code ?? signal} and not at ${JSON.stringify(kill)}`)
  }

  async close(): Promise<void> {
    for (const each of this.processes) each.kill('SIGKILL')
    await this.selvage.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
