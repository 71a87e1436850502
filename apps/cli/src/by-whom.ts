/**
 * Who did what follows from the claims of a run: an entry is the work of the newest claim that is not younger than it.
 * What was recorded before the last takeover from a dead worker was recovered by it; the rest was executed by whoever
 * had the run then.
 */
import type { RunClaim } from '@selvage/core'
import type { Row } from './row.ts'

/** A row, the entry that said last what has become of it, and the newest intent. */
export type Told = Row & { readonly last: number; readonly intended?: number }

/** The rows with who did them, and one for each worker that came to the run. `claims`: oldest first. */
export function byWhom(rows: readonly Told[], claims: readonly RunClaim[]): Row[] {
  const takeover = claims.findLast((claim) => claim.recoveredFrom !== undefined)
  return withWorkers(
    rows.map((row) => attributed(row, claims, takeover)),
    claims,
  )
}

/** The claim under which entry `seq` was written; undefined for the start of the run, and where it is forgotten. */
function claimOf(seq: number, claims: readonly RunClaim[]): RunClaim | undefined {
  return claims.findLast((claim) => claim.from <= seq)
}

function attributed(
  { last, intended, ...row }: Told,
  claims: readonly RunClaim[],
  takeover: RunClaim | undefined,
): Row {
  if (row.what !== 'step') return row
  const claim = claimOf(last, claims)
  const by = claim === undefined ? {} : { worker: { id: claim.worker, pid: claim.pid, host: claim.host } }
  if (row.state !== 'executed') return { ...row, ...by }
  // Who recorded it had not begun it: its intent is from before.
  if (claim !== undefined && intended !== undefined && intended < claim.from) {
    return { ...row, ...by, state: 'reconciled' }
  }
  return { ...row, ...by, state: takeover !== undefined && last < takeover.from ? 'recovered' : 'executed' }
}

/** A row where another worker came to the run than had it before. */
function withWorkers(rows: readonly Row[], claims: readonly RunClaim[]): Row[] {
  const all = [...rows]
  claims.forEach((claim, index) => {
    const before = claims[index - 1]
    if (claim.recoveredFrom === undefined && claim.worker === before?.worker) return
    const row = workerRow(claim, claim.recoveredFrom === before?.worker ? before : undefined)
    const at = all.findIndex((other) => other.what !== 'worker' && other.seq >= claim.from)
    all.splice(at < 0 ? all.length : at, 0, row)
  })
  return all
}

function workerRow({ worker, pid, host, at, from, recoveredFrom }: RunClaim, before: RunClaim | undefined): Row {
  const row = { seq: from, at, what: 'worker', key: worker, worker: { id: worker, pid, host } } as const
  if (recoveredFrom === undefined) return { ...row, state: 'claimed' }
  const dead = before === undefined ? {} : { pid: before.pid, host: before.host }
  return { ...row, state: 'recovered', recoveredFrom: { id: recoveredFrom, ...dead } }
}
