/**
 * One run in a folder of its own, the processes that are set on it, and what can be seen of it from outside: the effects
 * ledger, and the journal as the engine shows it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, Entry, Outcome, RunStatus } from '@selvage/core'
import { LineFile } from '../line-file.ts'
import { ended } from '../watching.ts'
import { driveRun } from './drive-run.ts'
import type { EffectsLedger, LedgerLine } from './effects-ledger.ts'
import { KillSwitch } from './kill-switch.ts'
import { Outside } from './outside.ts'
import { TaskProcess } from './process.ts'
import type { Scenario } from './scenario.ts'
import type { Task } from './task.ts'
import type { EngineUnderTest, PlaceOptions } from './under-test.ts'

/** A scenario, and the URL of the module that exports it. */
export interface Given {
  readonly scenario: Scenario
  readonly module: string
}

export interface SeenRun {
  readonly runId: string
  readonly status: RunStatus
  readonly outcome: Outcome | undefined
  readonly entries: readonly Entry[]
}

/** What was durable at a moment, and what had happened by then. */
export interface Sight {
  readonly lines: readonly LedgerLine[]
  /** The run and its descendants; none if the run is not there yet. */
  readonly runs: readonly SeenRun[]
}

const PAGE = 1_000

export interface SiteOptions extends PlaceOptions {
  /** Default `run`. */
  readonly runId?: string
  /** URL of the bank that programs ask. */
  readonly bank?: string
}

export class Site {
  readonly runId: string
  readonly ledger: EffectsLedger
  readonly outside: Outside
  readonly under: EngineUnderTest
  readonly given: Given
  readonly folder: string
  private readonly options: PlaceOptions
  private readonly bank: string | undefined
  private readonly processes: TaskProcess[] = []

  constructor(under: EngineUnderTest, given: Given, { runId = 'run', bank, ...options }: SiteOptions = {}) {
    this.under = under
    this.given = given
    this.runId = runId
    this.bank = bank
    this.options = options
    this.folder = mkdtempSync(join(tmpdir(), 'selvage-crash-'))
    this.ledger = new LineFile(join(this.folder, 'effects'))
    this.outside = new Outside(this.ledger, new KillSwitch(undefined), bank === undefined ? {} : { bank })
  }

  /** `main`: a module of its own that does the task, in place of the engine. */
  spawn(
    role: Task['role'],
    {
      main,
      ...rest
    }: Partial<Pick<Task, 'kill' | 'question' | 'options' | 'scenario'>> & { readonly main?: string } = {},
  ): TaskProcess {
    const { under, given, folder, options, runId, ledger, bank } = this
    const task: Task = {
      engine: under.module,
      scenario: given.module,
      folder,
      options,
      ledger: ledger.path,
      runId,
      start: given.scenario.start,
      ...(bank !== undefined && { bank }),
      role,
      ...rest,
    }
    const process = new TaskProcess(task, main)
    this.processes.push(process)
    return process
  }

  /** Something that this process does with the engine, without working. */
  async with<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
    const { engine } = await this.under.open(this.folder, this.options)
    try {
      return await use(engine)
    } finally {
      await engine.close()
    }
  }

  async look(): Promise<Sight> {
    const isOurs = ({ runId }: LedgerLine): boolean => `${runId}/`.startsWith(`${this.runId}/`)
    const runs = await this.with(async (engine) => {
      const seen: SeenRun[] = []
      await this.lookAt(engine, this.runId, seen)
      // A child can be at work before its parent has recorded that it was started.
      for (const { runId } of this.ledger.read().filter(isOurs)) {
        if (!seen.some((run) => run.runId === runId)) await this.lookAt(engine, runId, seen)
      }
      return seen
    })
    // Behind the journal: where somebody works meanwhile, what is recorded has its line here.
    const lines = this.ledger.read().filter(isOurs)
    return { lines, runs }
  }

  /** For people: how the run and its descendants stand. */
  async story(): Promise<string> {
    const { runs } = await this.look()
    const told = runs.map(async ({ runId, entries }) => {
      const { status, waitsFor, owner, crashes } = await this.with((engine) => engine.describe(runId))
      const journal = entries.map((entry) => ('key' in entry ? `${entry.type} ${entry.key}` : entry.type)).join(', ')
      return `${runId} is ${JSON.stringify({ status, waitsFor, owner, crashes })}: ${journal}`
    })
    return (await Promise.all(told)).join('; ')
  }

  /** Does for the run what somebody outside does, from this process. */
  drive(): Promise<Outcome> {
    return this.with((engine) => driveRun(engine, this.given.scenario, this.runId, this.outside))
  }

  /** A run may end before its children do; and who worked on them may be dead by then. */
  async finishDescendants(): Promise<void> {
    const { runs } = await this.look()
    const left = runs.filter(({ outcome }) => outcome === undefined)
    if (left.length === 0 || left.some(({ runId }) => runId === this.runId)) return
    const worker = this.spawn('work')
    await this.with(async (engine) => {
      for (const { runId } of left) await ended(engine, runId)
    })
    worker.kill()
    await worker.exited
  }

  async close(): Promise<void> {
    for (const each of this.processes) each.kill()
    await Promise.all(this.processes.map(({ exited }) => exited))
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async lookAt(engine: Engine, runId: string, seen: SeenRun[]): Promise<void> {
    let description: Awaited<ReturnType<Engine['describe']>>
    try {
      description = await engine.describe(runId)
    } catch (error) {
      if ((error as { code?: unknown }).code === 'NOT_FOUND') return
      throw error
    }
    const { status, outcome } = description
    const entries: Entry[] = []
    for (let page = await engine.journal(runId, 0, PAGE); page.length > 0; ) {
      entries.push(...page)
      page = page.length < PAGE ? [] : await engine.journal(runId, entries.length, PAGE)
    }
    seen.push({ runId, status, outcome, entries })
    for (const child of await childrenOf(engine, runId, entries)) await this.lookAt(engine, child, seen)
  }
}

/** Those that the journal names; where the engine can list runs also one that was started and is not named yet. */
async function childrenOf(engine: Engine, runId: string, entries: readonly Entry[]): Promise<ReadonlySet<string>> {
  const prefix = 'child:'
  const named = entries.flatMap((entry) =>
    entry.type === 'step' && entry.op.kind === 'child' && !entry.key.endsWith('/cancel')
      ? [`${runId}/${entry.key.slice(prefix.length)}`]
      : [],
  )
  const listed = await engine.list?.({ parent: runId })
  return new Set([...named, ...(listed?.items.map(({ id }) => id) ?? [])])
}
