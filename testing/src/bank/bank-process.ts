import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LineFile } from '../line-file.ts'
import { type BankClient, bankClient } from './client.ts'
import type { BankLine } from './ledger.ts'
import type { BankOptions } from './server.ts'
import type { Trouble } from './trouble.ts'

/** Built code, also where tests import the sources: a bank is open in a twentieth of a second. */
const MAIN = fileURLToPath(new URL('../../dist/bank/main.js', import.meta.url))

type News = { readonly url: string } | { readonly line: BankLine } | { readonly expects: Trouble }

/** A bank in a process of its own, on a free port of this machine: what it has done outlives whoever asked for it. */
export class BankProcess {
  readonly client: BankClient
  readonly url: string
  private readonly child: ChildProcess
  private readonly ledger: LineFile<BankLine>
  private readonly folder: string | undefined
  private readonly listeners = new Set<(news: News) => void>()

  private constructor(url: string, child: ChildProcess, ledger: LineFile<BankLine>, folder: string | undefined) {
    this.url = url
    this.client = bankClient(url)
    this.child = child
    this.ledger = ledger
    this.folder = folder
  }

  /** `ledger`: a file to go on with; without it a new one that is removed with `close`. */
  static async open(options: Partial<BankOptions> = {}): Promise<BankProcess> {
    const folder = options.ledger === undefined ? mkdtempSync(join(tmpdir(), 'selvage-bank-')) : undefined
    const ledger = new LineFile<BankLine>(options.ledger ?? join(folder ?? '', 'ledger'))
    const told: BankOptions = { ...options, ledger: ledger.path }
    const child = spawn(process.execPath, [MAIN, JSON.stringify(told)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { promise, resolve, reject } = Promise.withResolvers<BankProcess>()
    child.once('error', reject).once('exit', (code, signal) => reject(new Error(`the bank ended: ${code ?? signal}`)))
    let bank: BankProcess | undefined
    createInterface({ input: child.stdout }).on('line', (line) => {
      const news = JSON.parse(line) as News
      if ('url' in news) {
        bank = new BankProcess(news.url, child, ledger, folder)
        resolve(bank)
      }
      for (const listener of bank?.listeners ?? []) listener(news)
    })
    return promise
  }

  /** The file that is its ledger. */
  get path(): string {
    return this.ledger.path
  }

  /** Every request that it has decided, from its file; or those for one order. */
  lines(order?: string): readonly BankLine[] {
    const lines = this.ledger.read()
    return order === undefined ? lines : lines.filter((line) => line.order === order)
  }

  /** Resolves when the bank has taken notice: what comes next and fits is in trouble. */
  async expect(trouble: Trouble): Promise<void> {
    const noticed = this.hear((news) => 'expects' in news)
    this.child.stdin?.write(`${JSON.stringify(trouble)}\n`)
    await noticed
  }

  /** Resolves with the next line of the ledger that fits, when it is on the disk and before anybody is answered. */
  async next(fits: (line: BankLine) => boolean): Promise<BankLine> {
    const news = await this.hear((each) => 'line' in each && fits(each.line))
    return (news as { readonly line: BankLine }).line
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL')
      await gone
    }
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true })
  }

  private hear(fits: (news: News) => boolean): Promise<News> {
    return new Promise((resolve) => {
      const listen = (news: News): void => {
        if (!fits(news)) return
        this.listeners.delete(listen)
        resolve(news)
      }
      this.listeners.add(listen)
    })
  }
}
