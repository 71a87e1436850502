/**
 * Budgets in processes that are killed (SIGKILL), judged by the provider of the model: a server outside of them that
 * counts what it sold, whether anybody lived to hear it or not.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { failureOf } from '../test/failure.ts'
import { openSelvage, type Selvage } from './index.ts'

/** Of many processes: what their lives cost is not what is tested. */
const PATIENT_MS = 600_000
const WORKER = join(import.meta.dirname, '../test/budget-process.ts')
const INPUT = 80
const OUTPUT = 20
const PRICE = INPUT + OUTPUT

/** Sells answers, and kills who asks: before it answers, or as soon as it has. */
class Provider {
  sold = 0
  kills = 0
  /** Whether the n-th call kills who makes it, and when. */
  murder: (call: number) => 'before' | 'behind' | undefined = () => undefined
  readonly #server: Server

  constructor() {
    this.#server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const { pid } = JSON.parse(body) as { pid: number }
      this.sold += PRICE
      const when = this.murder(this.sold / PRICE)
      if (when === 'before') return this.#kill(pid)
      response.end(JSON.stringify({ inputTokens: INPUT, outputTokens: OUTPUT }), () => {
        if (when === 'behind') this.#kill(pid)
      })
    })
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  close(): void {
    // Who is killed from now on is not replaced.
    this.kills = Number.POSITIVE_INFINITY
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #kill(pid: number): void {
    this.kills++
    process.kill(pid, 'SIGKILL')
  }
}

let folder: string
let database: string
let provider: Provider
let url: string
let selvage: Selvage
const workers = new Set<ChildProcess>()

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-budget-'))
  database = join(folder, 'selvage.db')
  provider = new Provider()
  url = await provider.open()
  selvage = await openSelvage({ url: `sqlite:${database}`, work: false })
})
afterEach(async () => {
  provider.close()
  for (const worker of workers) worker.kill('SIGKILL')
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A worker, and another one for each that is killed. */
function keepWorking(tokens: number): void {
  const worker = spawn(process.execPath, [WORKER, database, url, String(tokens)], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  workers.add(worker)
  // Not of the test after this one.
  const own = provider
  worker.on('exit', (_code, signal) => {
    workers.delete(worker)
    if (signal === 'SIGKILL' && own.kills < Number.POSITIVE_INFINITY) keepWorking(tokens)
  })
}

test(
  '20 crashes on one budget: what was sold is counted, with a call for each crash at most, and never above the cap',
  async () => {
    const cap = 6_000
    provider.murder = (call) =>
      call % 2 === 1 || provider.kills >= 20 ? undefined : call % 4 === 0 ? 'before' : 'behind'
    const run = await selvage.reference('alone').start('Look.', { runId: 'r' })
    keepWorking(cap)
    expect(await failureOf(run)).toMatchObject({ code: 'BUDGET_EXCEEDED', details: { limit: 'tokens', cap } })
    expect(provider.kills).toBe(20)
    const { spent = 0, reserved } = (await run.status()).budget?.[0]?.limits.tokens ?? {}
    expect(reserved).toBe(0)
    expect(spent).toBeGreaterThanOrEqual(provider.sold)
    expect(spent).toBeLessThanOrEqual(cap)
    // Nor is it given up while there is enough for a call or two.
    expect(spent).toBeGreaterThan(cap - 5 * PRICE)
    // The journal holds what was recorded. Each crash adds one call at most: the one that was sold and lost, or, where the kill
    // landed late, the next one, of which nobody can know that it was not sold.
    const { totalTokens } = await run.usage()
    expect(totalTokens).toBeLessThan(provider.sold)
    expect(spent).toBeLessThanOrEqual(totalTokens + 20 * PRICE)

    // A retry goes on with the same pot.
    await run.retry()
    await failureOf(run)
    expect(provider.sold).toBeLessThanOrEqual(cap)
    await run.raiseBudget({ tokens: 1_000 })
    await run.retry()
    await failureOf(run)
    expect(provider.sold).toBeGreaterThan(cap)
    expect(provider.sold).toBeLessThanOrEqual(cap + 1_000)
  },
  PATIENT_MS,
)

test(
  'a fan-out of 20 children in three processes, some of which are killed, on one pot',
  async () => {
    const cap = 16_000
    provider.murder = (call) =>
      call % 15 === 0 && provider.kills < 6 ? (call % 2 === 0 ? 'before' : 'behind') : undefined
    const run = await selvage.reference<number, string[]>('fan').start(20, { runId: 'f' })
    for (let worker = 0; worker < 3; worker++) keepWorking(cap)
    expect(await run.result()).toEqual(Array.from({ length: 20 }, () => 'rejected'))
    expect(provider.kills).toBeGreaterThanOrEqual(5)
    const { spent = 0, reserved = 0 } = (await run.status()).budget?.[0]?.limits.tokens ?? {}
    expect(spent + reserved).toBeGreaterThanOrEqual(provider.sold)
    expect(provider.sold).toBeLessThanOrEqual(cap)
    expect(provider.sold).toBeGreaterThan(cap / 2)
    for (let at = 0; at < 20; at++) {
      const child = selvage.run(`f/c${at}`)
      expect(await failureOf(child)).toMatchObject({ code: 'BUDGET_EXCEEDED', details: { pot: 'run:f' } })
    }
    const usage = await run.usage({ tree: true })
    expect(usage.runs).toBe(21)
    expect(usage.totalTokens).toBeLessThanOrEqual(provider.sold)
  },
  PATIENT_MS,
)
