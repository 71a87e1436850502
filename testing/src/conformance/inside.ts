/** An engine in this process, with a worker: for sections that kill nobody. One is shared by the tests of a section. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, Host, Json, Outcome, Program, RunDescription, SignalReceipt, Start } from '@selvage/core'
import type { EngineUnderTest, OpenedEngine, PlaceOptions } from '../crash/under-test.ts'
import { ended, isSuspended, until } from '../watching.ts'
import { ready } from './beforehand.ts'

export class Inside {
  readonly engine: Engine
  private readonly opened: OpenedEngine
  private readonly programs: readonly Program[]
  private readonly folder: string
  private working: { readonly host: Host; readonly stop: () => Promise<void> } | undefined

  static async open(under: EngineUnderTest, programs: readonly Program[], options: PlaceOptions): Promise<Inside> {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-inside-'))
    const inside = new Inside(await under.open(folder, options), programs, folder)
    await inside.work()
    return inside
  }

  private constructor(opened: OpenedEngine, programs: readonly Program[], folder: string) {
    this.opened = opened
    this.engine = opened.engine
    this.programs = programs
    this.folder = folder
  }

  /** Of the worker that works now. */
  get host(): Host {
    if (this.working === undefined) throw new Error('nobody works here')
    return this.working.host
  }

  async work(): Promise<void> {
    const host = this.opened.host(this.programs)
    const { stop } = await this.engine.serve(host)
    this.working = { host, stop }
  }

  /** Nobody works from here on. What was in memory is gone. */
  async rest(): Promise<void> {
    await this.working?.stop()
    this.working = undefined
  }

  /** Another worker, to which every run is unknown. */
  async workAnew(): Promise<void> {
    await this.rest()
    await this.work()
  }

  async start(runId: string, program: string, input: Json = null, rest: Partial<Start> = {}): Promise<void> {
    await this.engine.start(runId, { program, input, ...rest })
  }

  /** Of the engine's own history of a run. */
  async generations(runId: string): Promise<number> {
    const { generations } = this.opened
    if (generations === undefined)
      throw new Error('An engine that rotates says how often: give OpenedEngine.generations.')
    return await generations(runId)
  }

  ended(runId: string): Promise<Outcome> {
    return ended(this.engine, runId)
  }

  async play(runId: string, program: string, input: Json = null): Promise<Outcome> {
    await this.start(runId, program, input)
    return await this.ended(runId)
  }

  until(runId: string, is: (seen: RunDescription) => boolean): Promise<RunDescription> {
    return until(this.engine, runId, is)
  }

  suspended(runId: string): Promise<RunDescription> {
    return this.until(runId, isSuspended)
  }

  signal(runId: string, name: string, payload: Json = null, id: string = name): Promise<SignalReceipt> {
    return this.engine.signal(runId, { id, name, payload })
  }

  async close(): Promise<void> {
    await this.rest()
    await this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function inside(under: EngineUnderTest, programs: readonly Program[], options: PlaceOptions = {}): () => Inside {
  return ready(
    () => Inside.open(under, programs, options),
    (opened) => opened.close(),
  )
}
