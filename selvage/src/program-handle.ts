import type { Engine, Json, Runtime, Start } from '@selvage/core'
import { ConflictError, refuseNoText, refuseNoTexts, refuseUnknown, SelvageError, UsageError } from '@selvage/core'
import type { ChildProgram, StandardSchema } from '@selvage/programs'
import { SESSION, START } from './option-names.ts'
import { notBuilt } from './reserved.ts'
import type { Present } from './runs/outcome.ts'
import { Run, type RunPorts } from './runs/run.ts'
import { Session, type SessionProgram } from './runs/session.ts'
import { toEpochMs, type When } from './when.ts'

export interface StartOptions {
  /**
   * The same id with the same program and input is the same run, however often it is started; with another input
   * RUN_CONFLICT. Default: a random one.
   */
  readonly runId?: string
  readonly tenant?: string
  /** A label that is kept and shown with the run. No worker is bound to one: each takes the runs of its programs. */
  readonly queue?: string
  /** Found again by `runs({ tag })`. */
  readonly tags?: { readonly [key: string]: string }
  /** Not before. */
  readonly startAt?: When
  /** The run is cancelled if it has not ended by then: `result()` rejects with DEADLINE. */
  readonly deadline?: When
  /** Reserved. */
  readonly concurrencyKey?: string
  /** Reserved. */
  readonly priority?: number
}

/** How the values of a program cross its border. */
export interface ProgramShape<Input, Result> {
  /** What is recorded as the input. BAD_INPUT for what the program cannot take. */
  readonly input: (input: Input) => Promise<Json> | Json
  /** Checks the input of a child, which does not pass `input`. */
  readonly schema?: StandardSchema<unknown, unknown>
  readonly result: Present<Result>
}

/** What a program needs to be started from outside. */
export interface ProgramPorts {
  readonly engine: Engine
  readonly runtime: Runtime
  /** The worker of this process begins, unless it has begun or must not. */
  readonly beginWork: () => Promise<void>
  readonly runPorts: RunPorts
  /** Of agents. */
  readonly sessions?: SessionProgram<unknown> | undefined
}

/** Taken when the session is sent its first message. */
export type SessionOptions = Pick<StartOptions, 'tenant' | 'queue' | 'tags'>

/** An input that may be undefined may be left out. */
export type StartArguments<Input> = undefined extends Input
  ? [input?: Input, options?: StartOptions]
  : [input: Input, options?: StartOptions]

/** A registered program. Also what `ctx.child` is given. */
export class ProgramHandle<Input, Result> implements ChildProgram<Input, Result> {
  readonly name: string
  readonly version: string | undefined
  readonly input: StandardSchema<unknown, unknown> | undefined
  declare readonly '~types'?: { readonly input: Input; readonly result: Result }
  readonly #shape: ProgramShape<Input, Result>
  readonly #ports: ProgramPorts

  constructor(
    program: { readonly name: string; readonly version?: string },
    shape: ProgramShape<Input, Result>,
    ports: ProgramPorts,
  ) {
    this.name = program.name
    this.version = program.version
    this.input = shape.schema
    this.#shape = shape
    this.#ports = ports
  }

  /** Resolves when the run is durable: from then on it will be brought to its end. */
  async start(...[input, options = {}]: StartArguments<Input>): Promise<Run<Result>> {
    refuseUnknown(`start() of "${this.name}"`, options, START)
    refuseReserved(options)
    const { engine, runtime, beginWork, runPorts } = this.#ports
    const now = runtime.clock.now()
    const { runId = `run_${runtime.random(11)}` } = options
    checkRunId(runId)
    checkLabels(`run ${runId}`, options)
    const startAt = options.startAt === undefined ? undefined : toEpochMs(options.startAt, now, 'startAt')
    const start = this.#startOf(await this.#shape.input(input as Input), options, now)
    if (engine.manifest.workersFirst === true) await beginWork()
    try {
      await engine.start(runId, start, startAt === undefined ? {} : { startAt })
    } catch (error) {
      const isFork = SelvageError.is(error, 'RUN_CONFLICT') && (await isForkOf(engine, runId, start.program))
      throw isFork ? startedAsFork(runId, error) : error
    }
    await beginWork()
    return new Run(runId, runPorts, this.#shape.result)
  }

  /** A run of this program that was started before. */
  run(runId: string): Run<Result> {
    return new Run(runId, this.#ports.runPorts, this.#shape.result)
  }

  /**
   * A session with an agent: many messages under one id, which is also the id of its run. Agents only: UNSUPPORTED for
   * other programs.
   */
  session(id: string, options: SessionOptions = {}): Session<Result> {
    refuseUnknown(`session() of "${this.name}"`, options, SESSION)
    const { engine, runtime, beginWork, runPorts, sessions } = this.#ports
    if (sessions === undefined) {
      throw new UsageError('UNSUPPORTED', `Program '${this.name}' has no sessions.`, {
        hint: 'Agents have: selvage.agent(name, factory).session(id). A workflow waits for messages with ctx.signal().',
      })
    }
    checkRunId(id)
    checkLabels(`session ${id}`, options)
    const { name: program, version } = sessions
    const begin = async (): Promise<void> => {
      const start = this.#startOf(null, options, runtime.clock.now())
      const { version: _, ...rest } = start
      if (engine.manifest.workersFirst === true) await beginWork()
      const own = { ...rest, program, ...(version === undefined ? {} : { version }) }
      await engine.start(id, own).catch(async (error: unknown) => {
        // A fork of a session is one, and was not started as one.
        if (!SelvageError.is(error, 'RUN_CONFLICT') || !(await isForkOf(engine, id, program))) throw error
      })
      await beginWork()
    }
    return new Session(id, { program: sessions as SessionProgram<Result>, begin, runPorts })
  }

  #startOf(input: Json, options: StartOptions, now: number): Start {
    const { tenant, queue, tags, deadline } = options
    return {
      program: this.name,
      ...(this.version === undefined ? {} : { version: this.version }),
      input,
      ...(tenant === undefined ? {} : { tenant }),
      ...(queue === undefined ? {} : { queue }),
      ...(tags === undefined ? {} : { tags }),
      ...(deadline === undefined ? {} : { deadline: toEpochMs(deadline, now, 'deadline') }),
    }
  }
}

async function isForkOf(engine: Engine, runId: string, program: string): Promise<boolean> {
  const { start } = await engine.describe(runId)
  return start.forkedFrom !== undefined && start.program === program
}

function startedAsFork(runId: string, cause: unknown): ConflictError {
  return new ConflictError('RUN_CONFLICT', `Run ${runId} is a fork, and goes on with what its original did.`, {
    hint: `To have its result: program.run('${runId}'). To begin anew, start under another run id.`,
    cause,
    details: { runId },
  })
}

function refuseReserved(options: StartOptions): void {
  if (options.concurrencyKey !== undefined) {
    throw notBuilt("start's concurrencyKey", 'Limit a whole worker with openSelvage({ concurrency }).')
  }
  if (options.priority !== undefined) throw notBuilt("start's priority", 'Runs are taken oldest first.')
}

/** Labels by which runs are found again. */
function checkLabels(what: string, { tenant, queue, tags }: StartOptions): void {
  if (tenant !== undefined) refuseNoText(`The tenant of ${what}`, tenant)
  if (queue !== undefined) refuseNoText(`The queue of ${what}`, queue)
  refuseNoTexts(`The tags of ${what}`, tags)
}

function checkRunId(runId: string): void {
  refuseNoText('A run id', runId)
  const problem =
    runId === ''
      ? 'is empty'
      : runId.length > 500
        ? 'is longer than 500 characters'
        : hasControl(runId)
          ? 'has control characters'
          : undefined
  if (problem === undefined) return
  throw new UsageError('BAD_INPUT', `The run id ${JSON.stringify(runId.slice(0, 60))} ${problem}.`, {
    hint: 'Leave it out to get a random one.',
  })
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
