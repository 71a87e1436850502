import { notEnlisted } from '@selvage/core/stores'
import type { Rows } from '../database.ts'
import { toText } from '../text.ts'

export interface Enlisted {
  readonly pid: number
  readonly host: string
}

/** Inside a transaction: only a worker whose death would be noticed may claim, and none while it is being buried. */
export async function requireEnlisted(rows: Rows, workerId: string): Promise<Enlisted> {
  const sql = 'select pid, host from worker where id = $1 for key share'
  const worker = await rows.get<Enlisted>(sql, toText(workerId))
  if (worker === undefined) throw notEnlisted(workerId)
  return worker
}
