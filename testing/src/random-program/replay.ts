/**
 * Replays the beginning of a journal on a fresh host and says what the program was given by it. Steps that would start
 * now never end. Whether the run ends is asked only afterwards, when the host has journaled what is due by time.
 */
import {
  type Blobs,
  createHost,
  type Entry,
  type EntryOf,
  type Host,
  type Manifest,
  type Outbound,
  type Outcome,
  type Program,
  type Progress,
  type Runtime,
} from '@selvage/core'
import { turns } from '../turn-engine/hostility.ts'

const MANIFEST: Manifest = {
  name: 'replay',
  limits: {},
  journal: 'engine',
  affinity: true,
  countsDeliveries: true,
  survives: 'nothing',
  abilities: { list: false, approvals: false, attach: false, rotate: false },
}

const refused = (): Promise<never> => Promise.reject(new Error('a replay reached the outside'))
/** Only a parent may be told again that its child has ended. */
const nowhere: Outbound = { start: refused, signal: async () => ({ accepted: true }), cancel: refused }

/** Waits that are over by the time of the last entry, and the end. */
const ROUNDS = 8

export interface ReplayOptions {
  readonly runId: string
  readonly entries: readonly Entry[]
  readonly program: Program
  readonly runtime: Runtime
  readonly blobs: Blobs
  readonly offloadBytes: number
  /** Called when the program was given everything. */
  readonly onGiven: () => void
}

export interface Replayed {
  /** How the run ended, if it did without another step. */
  readonly outcome: Outcome | undefined
  /** A wait was over for it that was not yet over when the run ended: what was asked for behind it is in its outcome only. */
  readonly isLater: boolean
}

export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { runId, program, runtime, blobs, offloadBytes } = options
  const entries = [...options.entries]
  const host = createHost({
    runtime,
    manifest: MANIFEST,
    programs: () => [program],
    outbound: nowhere,
    blobs,
    offloadBytes,
  })
  let progress = await advance(host, runId, entries, undefined)
  options.onGiven()
  let isLater = false
  for (let round = 1; round < ROUNDS && progress?.kind === 'continue'; round++) {
    entries.push(...progress.entries)
    isLater ||= progress.entries.some(({ type }) => type === 'wait')
    progress = await advance(host, runId, entries, progress)
  }
  host.evict(runId)
  return { outcome: progress?.kind === 'done' ? progress.outcome : undefined, isLater }
}

async function advance(
  host: Host,
  runId: string,
  entries: readonly Entry[],
  last: Progress | undefined,
): Promise<Progress | undefined> {
  const { start } = entries[0] as EntryOf<'start'>
  const mark = last?.mark
  const cursor = entries.length
  const acknowledges = mark === undefined ? undefined : { mark, from: cursor - (last?.entries.length ?? 0) }
  const reply = host.advance(
    { runId, start, cursor, ...(acknowledges !== undefined && { acknowledges }), signals: [], now: 0 },
    {
      abortSignal: new AbortController().signal,
      heartbeat: () => {},
      journal: { load: async (from) => entries.slice(from) },
      // Not the first: an intent at the end of this journal may have begun.
      delivery: 2,
    },
  )
  reply.catch(() => {})
  // With steps begun that never end the host has nothing more to say once every entry had its turn.
  return Promise.race([reply, turns(2 * cursor + 40).then(() => undefined)])
}
