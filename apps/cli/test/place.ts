/** A folder with a database whose runs are made through `selvage`, and the built command on it, in processes of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSelvage, type Selvage } from 'selvage/core'

export const MAIN = join(import.meta.dirname, '../dist/main.js')

/** What the command said, and its exit code. */
export interface Told {
  readonly code: number
  readonly out: string
  readonly err: string
}

export class Place {
  readonly folder: string
  readonly url: string
  readonly selvage: Selvage

  private constructor(folder: string, url: string, selvage: Selvage) {
    this.folder = folder
    this.url = url
    this.selvage = selvage
  }

  static async open(): Promise<Place> {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-cli-'))
    const url = `sqlite:${join(folder, 'runs.db')}`
    return new Place(folder, url, await openSelvage({ url }))
  }

  /** Runs the command to its end. */
  cli(...args: readonly string[]): Promise<Told> {
    return this.cliAt(this.url, ...args)
  }

  /** `url`: what its environment names; undefined: nothing. */
  cliAt(url: string | undefined, ...args: readonly string[]): Promise<Told> {
    const { SELVAGE_URL: _, FORCE_COLOR: __, ...environment } = process.env
    const env = {
      ...environment,
      USER: 'nobody at all',
      COLUMNS: '200',
      ...(url !== undefined && { SELVAGE_URL: url }),
    }
    return new Promise((resolve) => {
      execFile(process.execPath, [MAIN, ...args], { env, cwd: this.folder }, (error, out, err) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
      })
    })
  }

  async close(): Promise<void> {
    await this.selvage.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
