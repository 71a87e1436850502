/**
 * What the service knows of runs, read through its API, so that it can be asked when nothing runs. The newest generation of
 * a run is the first whose execution goes on, or the last there is; the result of each of its steps holds the entries of
 * that advance and how many there are, so its newest one tells how the run stands.
 */
import type { Event } from '@aws-sdk/client-lambda'
import {
  type Blobs,
  EngineError,
  type Entry,
  errorToJson,
  type Json,
  type Outcome,
  type RunDescription,
  type RunStatus,
} from '@selvage/core'
import { readEntries, unpack } from './drive-run.ts'
import { endedOutside, notFound } from './errors.ts'
import type { Names } from './names.ts'
import type { Found, LambdaService } from './service.ts'
import type { Advanced, Failed, Kept, Result, RunPayload } from './wire.ts'

/** A run by its newest generation. */
export interface Known {
  readonly runId: string
  readonly execution: Found
  readonly payload: RunPayload
  readonly createdAt: number
}

/** How a generation stands. */
interface Standing {
  readonly last?: Advanced
  /** A step is under way. */
  readonly isAdvancing: boolean
  /** How often in a row its process died. */
  readonly crashes: number
}

const NEWEST_EVENTS = 20
const MAX_RUNS = 10_000

export class Records {
  private readonly service: LambdaService
  private readonly names: Names
  private readonly blobs: Blobs | undefined
  /** Generations that were seen: newer ones are looked for behind them. */
  private readonly seen = new Map<string, number>()

  constructor(service: LambdaService, names: Names, blobs: Blobs | undefined) {
    this.service = service
    this.names = names
    this.blobs = blobs
  }

  /** NOT_FOUND. */
  async known(runId: string): Promise<Known> {
    const found = await this.find(runId)
    if (found === undefined) throw notFound(runId)
    return found
  }

  /** Undefined: there is no such run. */
  async find(runId: string): Promise<Known | undefined> {
    let generation = this.seen.get(runId) ?? 0
    let execution = await this.service.find(this.names.generation(runId, generation))
    if (execution === undefined) return undefined
    while (execution.status !== 'RUNNING') {
      const next = await this.service.find(this.names.generation(runId, generation + 1))
      if (next === undefined) break
      execution = next
      generation++
    }
    if (this.seen.size >= MAX_RUNS) this.seen.clear()
    this.seen.set(runId, generation)
    return knownFrom(execution)
  }

  async describe(known: Known): Promise<RunDescription> {
    return describe(known, await this.standing(known.execution.arn))
  }

  async entries(known: Known, from: number, limit: number): Promise<readonly Entry[]> {
    const { payload } = known
    const before = payload.past?.entries ?? 0
    const stored = from < before ? (await this.stored(payload)).slice(from) : []
    if (stored.length >= limit) return stored.slice(0, limit)
    const own = await this.ownEntries(known.execution.arn, payload)
    return [...stored, ...own.slice(Math.max(0, from - before))].slice(0, limit)
  }

  /** Entries of the generations before. */
  async stored({ runId, past }: RunPayload): Promise<readonly Entry[]> {
    const generations = (past?.archives ?? []).map(async (archive, generation) => {
      if (archive !== null) return await readEntries(this.blobs, archive)
      const execution = await this.service.find(this.names.generation(runId, generation))
      if (execution === undefined) throw lost(runId, generation)
      return await this.ownEntries(execution.arn, JSON.parse(execution.input) as RunPayload)
    })
    return (await Promise.all(generations)).flat()
  }

  async ownEntries(arn: string, { reopen }: RunPayload): Promise<readonly Entry[]> {
    const kept: Kept[] = []
    if (reopen !== undefined) {
      kept.push([{ seq: reopen.entries, at: reopen.at, type: 'reopen', voided: reopen.voided }])
    }
    for await (const event of this.events(arn, { data: true })) {
      const advanced = advancedIn(event)
      if (advanced !== undefined) kept.push(advanced.entries)
    }
    return await unpack(this.blobs, kept)
  }

  async *events(
    arn: string,
    options: { readonly data?: boolean; readonly reverse?: boolean; readonly pageSize?: number },
  ): AsyncGenerator<Event> {
    let marker: string | undefined
    do {
      const page = await this.service.history(arn, { ...options, ...(marker !== undefined && { marker }) })
      yield* page.events
      marker = page.next
    } while (marker !== undefined)
  }

  private async standing(arn: string): Promise<Standing> {
    const over = new Set<string>()
    let isAdvancing = false
    let crashes = 0
    for await (const event of this.events(arn, { data: true, reverse: true, pageSize: NEWEST_EVENTS })) {
      const last = advancedIn(event)
      if (last !== undefined) return { last, isAdvancing, crashes: isAdvancing ? crashes : 0 }
      const { EventType: type, Id: id = '' } = event
      if (type === 'StepSucceeded') over.add(id)
      else if (type === 'StepFailed' && !over.has(id)) {
        isAdvancing = true
        crashes++
      } else if (type === 'StepStarted' && !over.has(id)) isAdvancing = true
    }
    return { isAdvancing, crashes: isAdvancing ? crashes : 0 }
  }
}

export function knownFrom(execution: Found): Known {
  const payload = JSON.parse(execution.input) as RunPayload
  return { runId: payload.runId, execution, payload, createdAt: payload.past?.createdAt ?? execution.startedAt }
}

/** How the run ended; undefined while it goes on. */
export function outcomeOf({ runId, execution }: Known): Outcome | undefined {
  const { status, result, error } = execution
  if (status === 'RUNNING') return undefined
  if (status === 'SUCCEEDED') {
    const ended = JSON.parse(result ?? '{}') as Partial<Result>
    return 'outcome' in ended ? ended.outcome : undefined
  }
  if (status === 'STOPPED') return { cancelled: error ?? 'stopped in Lambda' }
  return { error: errorToJson(endedOutside(runId, status, error)) }
}

function statusOf(known: Known, { last, isAdvancing }: Standing): RunStatus {
  const outcome = outcomeOf(known)
  if (outcome !== undefined) return 'ok' in outcome ? 'completed' : 'error' in outcome ? 'failed' : 'cancelled'
  const { generation, reopen } = known.payload
  if (last === undefined && !isAdvancing) return generation === 0 || reopen !== undefined ? 'pending' : 'running'
  return last?.kind === 'wait' && !isAdvancing ? 'suspended' : 'running'
}

function describe(known: Known, standing: Standing): RunDescription {
  const { runId, payload, execution, createdAt } = known
  const { start, past, reopen } = payload
  const { last, crashes } = standing
  const { program, version, parent, tenant, queue, tags = {} } = start
  const status = statusOf(known, standing)
  const outcome = outcomeOf(known)
  const note: Json | undefined = last?.status
  const endedAt = execution.endedAt ?? last?.at
  return {
    id: runId,
    status,
    program,
    start,
    tags,
    createdAt,
    updatedAt: last?.at ?? execution.startedAt,
    entries: last?.cursor ?? (past?.entries ?? 0) + (reopen === undefined ? 0 : 1),
    steps: last?.steps ?? past?.steps ?? 0,
    crashes,
    ...(version !== undefined && { version }),
    ...(parent !== undefined && { parent: parent.runId }),
    ...(tenant !== undefined && { tenant }),
    ...(queue !== undefined && { queue }),
    ...(outcome !== undefined && { outcome, ...(endedAt !== undefined && { endedAt }) }),
    ...(status === 'suspended' && last?.kind === 'wait' && { waitsFor: waitsOf(last) }),
    ...(note !== undefined && { note }),
  }
}

function waitsOf({ signals, until }: Extract<Advanced, { kind: 'wait' }>): NonNullable<RunDescription['waitsFor']> {
  return { signals, ...(until !== undefined && { until }) }
}

/** What an advance came to, if that is what the event tells. */
function advancedIn({ EventType: type, StepSucceededDetails: details }: Event): Advanced | undefined {
  if (type !== 'StepSucceeded') return undefined
  const { Payload: text = 'null', Truncated: isTruncated } = details?.Result ?? {}
  if (isTruncated === true) {
    throw new EngineError('CORRUPT', 'Lambda shows the history of a run with its results cut off.', {
      hint: 'Hand in blobs, so that results are small: lambdaEngine({ blobs }).',
    })
  }
  const advanced = JSON.parse(text) as Advanced | Failed | null
  return advanced === null || advanced.kind === 'failed' || !('cursor' in advanced) ? undefined : advanced
}

function lost(runId: string, generation: number): EngineError {
  return new EngineError('CORRUPT', `The beginning of run ${runId} (generation ${generation}) is not kept any more.`, {
    hint: 'Hand in blobs, where it is archived, or raise RetentionPeriodInDays above the time that a run takes.',
    details: { runId, generation },
  })
}
