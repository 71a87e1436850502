/**
 * What the service knows of runs, read through its API, so that it can be asked when nothing runs. The newest generation of
 * a run is the first whose execution goes on, or the last there is; the result of each of its steps holds the entries of
 * that advance and how many there are, so its newest one tells how the run stands.
 */
import type { Event } from '@aws-sdk/client-lambda'
import { EngineError, type Entry, errorToJson, type Outcome, type RunDescription, type Start } from '@selvage/core'
import {
  described,
  entriesBetween,
  type Found,
  isAdvanced,
  noRun,
  reopenEntry,
  standingBy,
} from '@selvage/core/engines'
import { endedOutside, PLACE } from './errors.ts'
import type { Kept, Large } from './large.ts'
import { type Inside, insideOf } from './names.ts'
import type { Found as Execution, HistoryOptions, LambdaService } from './service.ts'
import {
  type Advanced,
  insidePayload,
  LOOK,
  NO_PAST,
  type Past,
  type Result,
  type RunPayload,
  reopeningsOf,
} from './wire.ts'

/** A run by its newest generation. */
export interface Known extends Found {
  readonly execution: Execution
  readonly payload: RunPayload
  readonly createdAt: number
  /** It is a part of somebody else's execution: the id of its context there, and how it ended, if it has. */
  readonly inside?: { readonly context: string; readonly outcome?: Outcome }
}

/** How a generation stands. */
interface Standing {
  readonly last?: Advanced
  /** A step is under way. */
  readonly isAdvancing: boolean
  /** How often in a row its process died. */
  readonly crashes: number
}

/** How a generation is left to the next one. */
type Next = Pick<Past, 'steps' | 'taken' | 'queued'> & Pick<RunPayload, 'nonce' | 'reopen'>

const NEWEST_EVENTS = 20
const MAX_RUNS = 10_000

export class Records {
  private readonly service: LambdaService
  private readonly large: Large
  /** Generations that were seen: newer ones are looked for behind them. */
  private readonly seen = new Map<string, number>()

  constructor(service: LambdaService, large: Large) {
    this.service = service
    this.large = large
  }

  /** NOT_FOUND. */
  async known(runId: string): Promise<Known> {
    const found = await this.find(runId)
    if (found === undefined) throw noRun(PLACE, runId)
    return found
  }

  /** Undefined: there is no such run. */
  async find(runId: string): Promise<Known | undefined> {
    const inside = insideOf(runId)
    if (inside !== undefined) return await this.findInside(runId, inside)
    let generation = this.seen.get(runId) ?? 0
    let execution = await this.service.find(this.service.names.generation(runId, generation))
    if (execution === undefined) return undefined
    while (execution.status !== 'RUNNING') {
      const next = await this.service.find(this.service.names.generation(runId, generation + 1))
      if (next === undefined) break
      execution = next
      generation++
    }
    if (this.seen.size >= MAX_RUNS) this.seen.clear()
    this.seen.set(runId, generation)
    return knownFrom(execution)
  }

  /** False: there is that generation of the run, by somebody else. */
  async begin(run: Omit<RunPayload, 'selvage'>): Promise<boolean> {
    return await this.service.invoke(this.service.names.generation(run.runId, run.generation), {
      selvage: 'run',
      ...run,
    })
  }

  /** Begins the generation behind that one, whose own entries these are. As `begin`. */
  async beginNext(payload: RunPayload, own: readonly Entry[], { nonce, reopen, ...counts }: Next): Promise<boolean> {
    const { runId, generation, start, past } = payload
    const { entries, archives } = past ?? NO_PAST
    const createdAt =
      past?.createdAt ?? (await this.service.shown(this.service.names.generation(runId, generation))).startedAt
    const archived = [...archives, await this.large.archive(own)]
    const all = { createdAt, entries: entries + own.length, reopenings: reopeningsOf(payload), archives: archived }
    const next = { runId, generation: generation + 1, start, nonce, past: { ...all, ...counts } }
    return await this.begin(reopen === undefined ? next : { ...next, reopen })
  }

  async describe(known: Known): Promise<RunDescription> {
    return describe(known, await this.standing(known))
  }

  /** How many signals of its queue are in its journal. */
  async taken(known: Known): Promise<number> {
    return (await this.standing(known)).last?.taken ?? known.payload.past?.taken ?? 0
  }

  async entries(known: Known, from: number, limit: number): Promise<readonly Entry[]> {
    const { payload } = known
    const before = payload.past?.entries ?? 0
    const stored = async () => (await this.stored(payload)).slice(from)
    const own = from + limit > before ? await this.ownEntries(known) : []
    return await entriesBetween(before, stored, own, from, limit)
  }

  /** Entries of the generations before. */
  async stored({ runId, past }: RunPayload): Promise<readonly Entry[]> {
    const generations = (past?.archives ?? []).map(async (archive, generation) => {
      if (archive !== null) return await this.large.unpack<readonly Entry[]>(archive)
      const execution = await this.service.find(this.service.names.generation(runId, generation))
      if (execution === undefined) throw lost(runId, generation)
      return await this.ownEntries(knownFrom(execution))
    })
    return (await Promise.all(generations)).flat()
  }

  /** Of this generation. */
  async ownEntries(known: Known): Promise<readonly Entry[]> {
    const { reopen } = known.payload
    const kept: Kept[] = []
    if (reopen !== undefined) kept.push([reopenEntry(reopen)])
    for await (const event of this.own(known, { data: true })) {
      const advanced = advancedIn(event)
      if (advanced !== undefined) kept.push(advanced.entries)
    }
    return await this.large.entries(kept)
  }

  /** Those of the run: of somebody else's execution what is in its context. */
  private async *own({ execution, inside }: Known, options: HistoryOptions): AsyncGenerator<Event> {
    for await (const event of this.service.events(execution.arn, options)) {
      if (inside === undefined || event.ParentId === inside.context) yield event
    }
  }

  private async findInside(runId: string, { execution: name, key }: Inside): Promise<Known | undefined> {
    const execution = await this.service.find(name)
    if (execution === undefined) return undefined
    let context: string | undefined
    for await (const { EventType: type, Id: id = '', Name } of this.service.events(execution.arn, {})) {
      if (type === 'ContextStarted' && Name === key) context = id
      if (context !== undefined) break
    }
    if (context === undefined) return undefined
    const known = insideFrom(execution, runId, context, { program: key, input: null })
    const [first] = await this.ownEntries(known)
    const { last } = await this.standing(known)
    const outcome = last?.kind === 'done' ? last.outcome : lostWith(known)
    return {
      ...(first?.type === 'start' ? insideFrom(execution, runId, context, first.start) : known),
      inside: { context, ...(outcome !== undefined && { outcome }) },
    }
  }

  private async standing(known: Known): Promise<Standing> {
    const over = new Set<string>()
    let isAdvancing = false
    let crashes = 0
    for await (const event of this.own(known, { data: true, reverse: true, pageSize: NEWEST_EVENTS })) {
      const last = advancedIn(event)
      if (last !== undefined) return { last, isAdvancing, crashes: isAdvancing ? crashes : 0 }
      const { EventType: type, Id: id = '', Name: name } = event
      if (type === 'StepSucceeded' || name === LOOK) over.add(id)
      else if (type === 'StepFailed' && !over.has(id)) {
        isAdvancing = true
        crashes++
      } else if (type === 'StepStarted' && !over.has(id)) isAdvancing = true
    }
    return { isAdvancing, crashes: isAdvancing ? crashes : 0 }
  }
}

export function knownFrom(execution: Execution): Known {
  const payload = JSON.parse(execution.input) as RunPayload
  const { runId, start, past } = payload
  const isLost = execution.status !== 'RUNNING' && execution.status !== 'SUCCEEDED'
  return { runId, start, isLost, execution, payload, createdAt: past?.createdAt ?? execution.startedAt }
}

function insideFrom(execution: Execution, runId: string, context: string, start: Start): Known {
  const payload = insidePayload(runId, start)
  return { runId, start, isLost: false, execution, payload, createdAt: execution.startedAt, inside: { context } }
}

/** How the run ended; undefined while it goes on. */
export function outcomeOf({ runId, execution, inside }: Known): Outcome | undefined {
  if (inside !== undefined) return inside.outcome
  const { status, result, error } = execution
  if (status === 'RUNNING') return undefined
  if (status === 'SUCCEEDED') {
    const ended = JSON.parse(result ?? '{}') as Partial<Result>
    return 'outcome' in ended ? ended.outcome : undefined
  }
  if (status === 'STOPPED') return { cancelled: error ?? 'stopped in Lambda' }
  return { error: errorToJson(endedOutside(runId, status, error)) }
}

/** The execution around it has ended without it. */
function lostWith({ runId, execution: { status } }: Known): Outcome | undefined {
  return status === 'RUNNING' ? undefined : { error: errorToJson(endedOutside(runId, status, undefined)) }
}

function describe(known: Known, { last, isAdvancing, crashes }: Standing): RunDescription {
  const { runId, payload, execution, createdAt } = known
  const { start, past = NO_PAST, reopen, generation } = payload
  const isNew = generation === 0 || reopen !== undefined
  return described(runId, {
    start,
    createdAt,
    updatedAt: last?.at ?? execution.startedAt,
    entries: last?.cursor ?? past.entries + (reopen === undefined ? 0 : 1),
    steps: last?.steps ?? past.steps,
    crashes,
    endedAt: execution.endedAt ?? last?.at,
    ...standingBy({ outcome: outcomeOf(known), last, isAdvancing, isNew }),
  })
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
  const result = parsed(text)
  return isAdvanced(result) ? (result as Advanced) : undefined
}

/** CORRUPT. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new EngineError('CORRUPT', 'Lambda shows a history of a run with a result that cannot be read.', {
      hint: 'Look at the execution in its console: the run goes no further until its steps can be read again.',
      cause,
    })
  }
}

function lost(runId: string, generation: number): EngineError {
  return new EngineError('CORRUPT', `The beginning of run ${runId} (generation ${generation}) is not kept any more.`, {
    hint: 'Hand in blobs, where it is archived, or raise RetentionPeriodInDays above the time that a run takes.',
    details: { runId, generation },
  })
}
