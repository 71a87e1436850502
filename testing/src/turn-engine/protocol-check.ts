/**
 * What a host must never do, seen from the engine: the rules of docs/advance.md that show in requests and replies.
 * A breach is noted, not thrown, so that it cannot be mistaken for one more failed delivery.
 */
import type { Advance, Entry, Host, Progress } from '@selvage/core'

interface Seen {
  /** The highest cursor that this host was given. */
  granted: number
  /** Replies with entries, by the cursor of their request. */
  readonly replies: Map<number, string>
  /** How often it has lost its fiber. */
  deaths: number
}

export class ProtocolCheck {
  readonly violations: string[] = []
  private readonly seen = new Map<Host, Map<string, Seen>>()

  /** The highest cursor that this host was given for this run: everything below it is acknowledged there. */
  granted(host: Host, runId: string): number {
    return this.seen.get(host)?.get(runId)?.granted ?? -1
  }

  /** Returns how often the fiber was lost so far. */
  delivered(host: Host, request: Advance): number {
    const seen = this.of(host, request.runId)
    seen.granted = Math.max(seen.granted, request.cursor)
    // A reply is kept until a higher cursor acknowledges it.
    for (const cursor of seen.replies.keys()) if (cursor < request.cursor) seen.replies.delete(cursor)
    return seen.deaths
  }

  /** The host lost its fiber, and with it what it had replied. */
  forgot(host: Host, runId: string): void {
    const seen = this.of(host, runId)
    seen.replies.clear()
    seen.deaths++
  }

  replied(host: Host, request: Advance, progress: Progress, deathsBefore: number): void {
    const { runId, cursor } = request
    const { entries } = progress
    const { replies, deaths, granted } = this.of(host, runId)
    if (entries.length === 0 || deaths !== deathsBefore) return
    // A higher cursor came while this was made: whose reply that one follows, and what is kept of this one, is over.
    if (cursor < granted) return
    // Signals that only the second of two equal requests carried may be named by its reply.
    const text = JSON.stringify({ ...progress, received: [] })
    const before = replies.get(cursor)
    if (before !== undefined && before !== text) {
      this.note(runId, `two replies to cursor ${cursor} (rule 2): ${before} and ${text}`)
    }
    replies.set(cursor, text)
  }

  /** `progress` is about to become durable after `held`. */
  taken(request: Advance, progress: Progress, held: readonly Entry[], inReply: boolean): void {
    const { runId, cursor } = request
    const { entries, kind } = progress
    if (!inReply && entries.length > 0) this.note(runId, 'a reply carries entries although a store keeps the journal')
    if (progress.cursor < cursor) this.note(runId, `the cursor went back from ${cursor} to ${progress.cursor}`)
    // Whoever shares a store may have appended more since the reply was made.
    const fits = inReply ? progress.cursor === cursor + entries.length : progress.cursor <= held.length
    if (!fits) this.note(runId, `a reply with ${entries.length} entries to cursor ${cursor} says ${progress.cursor}`)
    this.entries(runId, inReply ? held.slice(0, cursor) : held, entries)
    const ended = (entries.at(-1) ?? held[progress.cursor - 1])?.type === 'end'
    if ((kind === 'done') !== ended) this.note(runId, `a reply "${kind}" ${ended ? 'with' : 'without'} an end`)
    // It may have joined a late delivery of the generation before, which was asked to rotate.
    if (kind === 'rotate' && progress.seed.cursor !== progress.cursor) {
      this.note(runId, `rotation to ${progress.seed.cursor} at cursor ${progress.cursor}`)
    }
  }

  /** Entries that are appended must follow those that are there. */
  entries(runId: string, held: readonly Entry[], added: readonly Entry[]): void {
    let last = held.at(-1)
    for (const [index, entry] of added.entries()) {
      const seq = held.length + index
      if (entry.seq !== seq) this.note(runId, `entry ${entry.seq} stands at ${seq}`)
      if ((seq === 0) !== (entry.type === 'start')) this.note(runId, `entry ${seq} is ${entry.type}`)
      if (last?.type === 'end' && entry.type !== 'reopen')
        this.note(runId, `entry ${seq} (${entry.type}) after the end`)
      if (last !== undefined && entry.at < last.at) this.note(runId, `entry ${seq} is older than the one before it`)
      last = entry
    }
  }

  note(runId: string, what: string): void {
    this.violations.push(`${runId}: ${what}`)
  }

  private of(host: Host, runId: string): Seen {
    const runs = this.seen.get(host) ?? new Map<string, Seen>()
    this.seen.set(host, runs)
    const seen = runs.get(runId) ?? { granted: -1, replies: new Map<number, string>(), deaths: 0 }
    runs.set(runId, seen)
    return seen
  }
}
