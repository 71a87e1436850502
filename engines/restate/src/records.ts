/**
 * What Restate knows of runs, read by SQL from its admin port, so that it can be asked when no worker is there.
 *
 * A generation that is over lies in the state of its run (`run`, `e…`). The one that goes on is read from Restate's own
 * journal of the invocation, which has an entry as soon as it is durable: the result of each `ctx.run` holds the entries of
 * that advance. A run that no worker has begun is the input of an invocation.
 *
 * A generation that is not over, and whose invocation is, was ended by Restate (killed, purged): its run has failed, with
 * what the journal still has, and a retry goes on with that.
 */
import {
  type Entry,
  errorToJson,
  type Outcome,
  type QuestionRecord,
  type RunDescription,
  type Signal,
} from '@selvage/core'
import {
  type Advanced,
  described,
  entriesBetween,
  type Found,
  reopenEntry,
  reopeningsIn,
  standingBy,
  stepsIn,
} from '@selvage/core/engines'
import { endedByRestate } from './errors.ts'
import { type Claim, signalKey } from './inbox.ts'
import { type Begin, entriesKey, type KeptRun, newRun, RUN_KEY, type Services } from './kept.ts'
import type { Partitions } from './partitions.ts'
import { idempotencyKeyOf, quoted, type RestateServer } from './server.ts'
import { inputOf, runResult } from './wire.ts'

interface StateRow {
  readonly service_name: string
  readonly service_key: string
  readonly key: string
  readonly value_utf8: string
}

interface JournalRow {
  readonly id: string
  readonly entry_type: string
  readonly raw: string
}

/** What has happened in a generation that goes on. */
interface Going {
  readonly entries: readonly Entry[]
  readonly advances: number
  /** Undefined while nothing is over. */
  readonly last: Advanced | undefined
  /** An advance has begun and is not over. */
  readonly isAdvancing: boolean
}

/** A run that is kept, with what is begun and not kept yet. */
export interface Known extends Found {
  readonly kept: KeptRun
  readonly going?: Going | undefined
  readonly claim?: Claim | undefined
  /** It had ended and was retried, or is to go on in a new generation, which no worker has begun. */
  readonly isAwaited: boolean
  /** Restate has ended its invocation; without `going` it no longer has its journal either. */
  readonly isLost: boolean
}

const RUN_COMMAND = 'Command: Run'
const RUN_DONE = 'Notification: Run'

/** What Restate shows of a run may be of two moments: looked at again, but not for ever. */
const LOOKS = 50
const LOOK_AGAIN_MS = 20
/** How often a server that may be behind is asked for a run that it does not know. */
const CATCH_UP_MS = 100

export class Records {
  private readonly server: RestateServer
  private readonly partitions: Partitions
  private readonly services: Services

  constructor(server: RestateServer, partitions: Partitions, services: Services) {
    this.server = server
    this.partitions = partitions
    this.services = services
  }

  /** Undefined: there is no such run. */
  async find(runId: string): Promise<Known | undefined> {
    for (let looks = 1; ; looks++) {
      let [known] = await this.all(runId)
      while (known === undefined && this.server.mayBeBehind) {
        await pause(CATCH_UP_MS)
        known = (await this.all(runId))[0]
      }
      // It may have begun between two looks, or ended, and its journal with it.
      const isWhole = known === undefined ? looks > 1 : isSettled(known) || known.going !== undefined
      if (isWhole || looks === LOOKS) return known
      if (looks > 1) await pause(LOOK_AGAIN_MS)
    }
  }

  /** What is kept of a run: undefined until a worker has begun it. */
  async kept(runId: string): Promise<KeptRun | undefined> {
    const { runs } = this.services
    const ofRun = await this.ofRun('service_key', runId)
    return keyed<KeptRun>(
      await this.state(`${ofRun} and service_name = ${quoted(runs)} and key = '${RUN_KEY}'`),
      runs,
    ).get(runId)
  }

  /** All runs, or that one. `ended`: invocations that were over before this look, so that what they kept is seen by it. */
  async all(runId?: string, ended?: ReadonlySet<string>): Promise<readonly Known[]> {
    const { runs, inbox } = this.services
    const rows = await this.state(
      `${await this.ofRun('service_key', runId)} and ((service_name = ${quoted(runs)} and key = '${RUN_KEY}')
        or (service_name = ${quoted(inbox)} and key = 'claim'))`,
    )
    const kept = keyed<KeptRun>(rows, runs)
    const claims = keyed<Claim>(rows, inbox)
    const each = [...kept.values()]
    const open = each.filter((run) => !isOver(run)).map(({ invocation }) => invocation)
    const isDone = runId !== undefined && each.length > 0 && each.every((run) => isOver(run) && !mayGoOn(run))
    const [going, unfinished] = await Promise.all([this.going(open), isDone ? [] : this.unfinished(runId)])
    const alive = new Set(unfinished.map(({ id }) => id))
    const dead = open.filter((invocation) => !alive.has(invocation))
    if (dead.length > 0 && ended === undefined) return await this.all(runId, new Set(dead))
    const lost = new Set(dead.filter((invocation) => ended?.has(invocation)))
    const begun = new Set(each.map(({ invocation }) => invocation))
    const awaited = new Map(unfinished.flatMap(({ id, key }) => (begun.has(id) ? [] : [[key, id]])))
    const unbegun = await this.unbegun(new Map([...awaited].filter(([key]) => !kept.has(key))))
    const known = [...kept].map(([key, run]): Known => {
      const claim = isOver(run) ? undefined : claims.get(key)
      return {
        runId: key,
        start: run.start,
        kept: run,
        going: going.get(run.invocation),
        claim,
        isAwaited: (mayGoOn(run) || lost.has(run.invocation)) && awaited.has(key),
        isLost: lost.has(run.invocation),
      }
    })
    return [...known, ...unbegun]
  }

  entries(known: Known, from: number, limit: number): Promise<readonly Entry[]> {
    const { runId, kept } = known
    const stored = () => this.stored(runId, from, Math.min(kept.entries, from + limit))
    return entriesBetween(kept.entries, stored, unkept(known), from, limit)
  }

  /** Entries `from` … `to` of generations that are over. */
  async stored(runId: string, from: number, to: number): Promise<readonly Entry[]> {
    const isOwn = `${await this.ofRun('service_key', runId)} and service_name = ${quoted(this.services.runs)} and key like 'e%'`
    const first = `select max(key) from state where ${isOwn} and key <= '${entriesKey(from)}'`
    const rows = await this.state(`${isOwn} and key >= (${first}) and key < '${entriesKey(to)}' order by key`)
    const entries = rows.flatMap(({ value_utf8 }) => JSON.parse(value_utf8) as readonly Entry[])
    return entries.filter(({ seq }) => seq >= from && seq < to)
  }

  /** The signals of these ids that were taken up, by run and id. */
  async signals(wanted: readonly { readonly runId: string; readonly id: string }[]): Promise<readonly Signal[]> {
    if (wanted.length === 0) return []
    const keys = wanted.map(({ id }) => quoted(signalKey(id))).join(', ')
    const ofRuns = await this.partitions.among(
      'service_key',
      wanted.map(({ runId }) => runId),
    )
    const rows = await this.state(`${ofRuns} and service_name = ${quoted(this.services.inbox)} and key in (${keys})`)
    return rows.map(({ value_utf8 }) => JSON.parse(value_utf8) as Signal)
  }

  /** The answers of these questions that were accepted: taken up, or on their way to an inbox that no worker serves. */
  async answers(asked: readonly QuestionRecord[]): Promise<readonly Signal[]> {
    if (asked.length === 0) return []
    const ofRuns = await this.partitions.among(
      'target_service_key',
      asked.map(({ runId }) => runId),
    )
    const keys = asked.map(({ id }) => quoted(idempotencyKeyOf(id))).join(', ')
    const sent = await this.server.query<{ readonly id: string }>(
      `select id from sys_invocation_status where target_service_name = ${quoted(this.services.inbox)}
        and status <> 'completed' and ${ofRuns} and idempotency_key in (${keys})`,
    )
    // Behind that look: what was taken up since is among them.
    const [taken, waiting] = await Promise.all([this.signals(asked), this.inputs<Signal>(sent.map(({ id }) => id))])
    return [...waiting.values(), ...taken]
  }

  /** What an invocation was called with, be it that it stands in a queue; undefined when it is over. */
  async input<T>(invocation: string): Promise<T | undefined> {
    return (await this.inputs<T>([invocation])).get(invocation)
  }

  /** The questions of all runs, or of that one, or the one of that key. */
  async questions(runId: string | undefined, key: string | undefined): Promise<readonly QuestionRecord[]> {
    const isQuestion = key === undefined ? `key like 'q:%'` : `key = ${quoted(key)}`
    const rows = await this.state(
      `${await this.ofRun('service_key', runId)} and service_name = ${quoted(this.services.runs)} and ${isQuestion}`,
    )
    return rows.map(({ value_utf8 }) => JSON.parse(value_utf8) as QuestionRecord)
  }

  private async ofRun(column: string, runId: string | undefined): Promise<string> {
    return runId === undefined ? 'true' : await this.partitions.among(column, [runId])
  }

  private state(where: string): Promise<readonly StateRow[]> {
    return this.server.query(`select service_name, service_key, key, value_utf8 from state where ${where}`)
  }

  /**
   * How much has happened in the invocation of a run: changes with each entry, and is never that of another invocation,
   * since two generations may end with as many entries. Undefined: look at the run itself.
   */
  async pulse({ kept, isAwaited }: Known): Promise<string | undefined> {
    if (isAwaited || kept.over !== undefined) return undefined
    const rows = await this.server.query<{ journal_size: number; status: string }>(
      `select journal_size, status from sys_invocation where id = ${quoted(kept.invocation)}`,
    )
    return JSON.stringify([kept.invocation, ...rows.map(({ journal_size, status }) => `${journal_size} ${status}`)])
  }

  private async going(invocations: readonly string[]): Promise<ReadonlyMap<string, Going>> {
    if (invocations.length === 0) return new Map()
    const rows = await this.server.query<JournalRow>(
      `select id, entry_type, raw from sys_journal where id in (${invocations.map(quoted).join(', ')})
        and entry_type in ('Command: Input', '${RUN_COMMAND}', '${RUN_DONE}') order by id, index`,
    )
    return new Map([...Map.groupBy(rows, ({ id }) => id)].map(([id, own]) => [id, goingOf(own)]))
  }

  /** `awaited`: invocations that no worker has begun, by their runs. */
  private async unbegun(awaited: ReadonlyMap<string, string>): Promise<readonly Known[]> {
    const begins = await this.inputs<Begin>([...awaited.values()])
    return [...awaited].flatMap(([runId, invocation]): readonly Known[] => {
      const { first } = begins.get(invocation) ?? {}
      if (first === undefined) return []
      return [{ runId, start: first.start, kept: newRun(first, invocation), isAwaited: true, isLost: false }]
    })
  }

  /** Of many in one query: each has a connection of its own. */
  private async inputs<T>(invocations: readonly string[]): Promise<ReadonlyMap<string, T>> {
    if (invocations.length === 0) return new Map()
    const rows = await this.server.query<JournalRow>(
      `select id, raw from sys_journal where id in (${invocations.map(quoted).join(', ')}) and index = 0`,
    )
    return new Map(
      rows.flatMap(({ id, raw }) => {
        const input = inputOf(raw)
        return input === undefined ? [] : [[id, input as T]]
      }),
    )
  }

  /** Invocations that go on, or stand in a queue; the newest first, so that of several for a run the oldest counts. */
  private async unfinished(runId?: string): Promise<readonly { readonly id: string; readonly key: string }[]> {
    return await this.server.query(
      `select id, target_service_key as key from sys_invocation_status where target_service_name = ${quoted(this.services.runs)}
        and status <> 'completed' and ${await this.ofRun('target_service_key', runId)} order by created_at desc`,
    )
  }
}

export function describe(known: Known): RunDescription {
  const { runId, kept, going, claim, isAwaited, isLost } = known
  const { start, createdAt, generation, over } = kept
  // Of a lost run that was retried, nothing goes on.
  const { advances = 0, last, isAdvancing = false } = (isLost && isAwaited ? undefined : going) ?? {}
  const entries = unkept(known)
  const outcome = isAwaited ? undefined : isLost ? lostOutcome(runId) : over?.outcome
  const isNew = over === undefined ? isLost || generation === 0 : over.outcome !== undefined
  return described(runId, {
    start,
    createdAt,
    updatedAt: entries.at(-1)?.at ?? kept.updatedAt,
    entries: kept.entries + entries.length,
    steps: kept.steps + stepsIn(entries),
    crashes: claim?.advance === `${generation}/${advances}` ? claim.count - 1 : 0,
    ...standingBy({ outcome, last, isAdvancing, isNew }),
    ...(last === undefined && { note: kept.note }),
  })
}

/** Entries behind those of `kept`: what its invocation has recorded, and its end where Restate has ended it. */
export function unkept({ runId, kept, going, isLost }: Known): readonly Entry[] {
  const entries = going?.entries ?? []
  if (!isLost) return entries
  const at = entries.at(-1)?.at ?? kept.updatedAt
  return [...entries, { seq: kept.entries + entries.length, at, type: 'end', outcome: lostOutcome(runId) }]
}

/** How often the run was retried. */
export function reopeningsOf(known: Known): number {
  const { kept, isAwaited } = known
  const isRetried = isAwaited && describe({ ...known, isAwaited: false }).outcome !== undefined
  return kept.reopenings + reopeningsIn(unkept(known)) + (isRetried ? 1 : 0)
}

function lostOutcome(runId: string): Outcome {
  return { error: errorToJson(endedByRestate(runId)) }
}

/** `rows` of one invocation, in their order. */
function goingOf(rows: readonly JournalRow[]): Going {
  const begin = rows.find(({ entry_type }) => entry_type === 'Command: Input')
  const done = rows.filter(({ entry_type }) => entry_type === RUN_DONE).map(({ raw }) => runResult(raw))
  const advanced = done.filter((each) => each !== undefined) as unknown as readonly Advanced[]
  const begun = rows.filter(({ entry_type }) => entry_type === RUN_COMMAND).length
  const { reopen } = (begin === undefined ? {} : (inputOf(begin.raw) ?? {})) as Partial<Begin>
  const reopened = reopen === undefined ? [] : [reopenEntry(reopen)]
  return {
    entries: [...reopened, ...advanced.flatMap(({ entries }) => entries)],
    advances: advanced.length,
    last: advanced.at(-1),
    isAdvancing: begun > advanced.length,
  }
}

/** What its invocation has recorded is not needed to say how it stands. */
function isSettled({ kept, isAwaited, isLost }: Known): boolean {
  return isOver(kept) || isAwaited || isLost
}

function isOver({ over }: KeptRun): boolean {
  return over !== undefined
}

/** It was rotated, or may be retried. */
function mayGoOn({ over }: KeptRun): boolean {
  return over !== undefined && !('ok' in (over.outcome ?? {}))
}

/** What lies in the objects of that service, by their keys. */
function keyed<T>(rows: readonly StateRow[], service: string): ReadonlyMap<string, T> {
  const own = rows.filter(({ service_name }) => service_name === service)
  return new Map(own.map(({ service_key, value_utf8 }) => [service_key, JSON.parse(value_utf8) as T]))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
