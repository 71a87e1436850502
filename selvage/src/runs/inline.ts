/**
 * Where a run of `durable()` stands. No worker claims it and nothing ends it: it is `pending`, or still `running` in the
 * hands of a process that has gone, both when its program has nothing left to do and when it was cut off. The journal
 * tells the two apart: `turn#n` is written when the n-th invocation begins, `turn#n.end` when it has ended.
 */
import type { Engine, Entry, RunDescription } from '@selvage/core'

/** How far the program of a `durable()` agent has come. */
export interface InlineState {
  /** The invocation that began last: 1, 2, …; 0 before the first. */
  readonly turn: number
  /**
   * `idle`: that turn has ended. `working`: a living process is at it. `asking`: it waits for an answer, after which the
   * program is run again. `interrupted`: its process has gone; the program is to be run again.
   */
  readonly state: 'idle' | 'working' | 'asking' | 'interrupted'
}

const PROGRAM = 'inline:'
const TURN = /^turn#(\d+)(\.end)?$/
/** A turn that is over is told by its last entry, one that is not by its first: pages grow on the way back. */
const FIRST_PAGE = 4
const PAGE = 500

/** Undefined for runs of other programs, and for ended ones. `run`: with its owner's liveness. */
export async function inlineState(engine: Engine, run: RunDescription): Promise<InlineState | undefined> {
  if (!run.program.startsWith(PROGRAM) || run.endedAt !== undefined) return undefined
  const { turn, ended } = await lastTurn(engine, run)
  if (ended) return { turn, state: 'idle' }
  if (run.owner !== undefined && run.owner.alive !== false) return { turn, state: 'working' }
  const open = await engine.questions?.({ runId: run.id, status: 'open', limit: 1 })
  return { turn, state: open !== undefined && open.items.length > 0 ? 'asking' : 'interrupted' }
}

async function lastTurn(
  engine: Engine,
  { id, entries }: RunDescription,
): Promise<{ readonly turn: number; readonly ended: boolean }> {
  let before = entries
  for (let size = FIRST_PAGE; before > 0; size = PAGE) {
    const from = Math.max(0, before - size)
    const page = await engine.journal(id, from, before - from)
    const key = page.findLast(isTurn)?.key
    const [, turn, end] = TURN.exec(key ?? '') ?? []
    if (turn !== undefined) return { turn: Number(turn), ended: end !== undefined }
    before = from
  }
  return { turn: 0, ended: true }
}

function isTurn(entry: Entry): entry is Extract<Entry, { type: 'state' }> {
  return entry.type === 'state' && TURN.test(entry.key)
}
