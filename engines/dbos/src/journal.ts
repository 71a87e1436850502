/**
 * The journals of runs. Of a generation that goes on, it is in the results of the steps of its workflow, which are DBOS's; of
 * those that are over, in a table of ours: DBOS may be told to delete what has ended.
 */
import type { Entry } from '@selvage/core'
import { type Advanced, isAdvanced } from '@selvage/core/engines'
import type pg from 'pg'
import type { Database } from './database.ts'
import { unreadable } from './errors.ts'

/** Newest results that are looked at for the last advance: a wait may stand behind it. */
const LAST = 3

export class Journal {
  private readonly db: Database

  constructor(db: Database) {
    this.db = db
  }

  /** Entries of a generation that is over. Said again, nothing changes: they are what DBOS has recorded. */
  async keep(runId: string, entries: readonly Entry[], client?: Pick<pg.PoolClient, 'query'>): Promise<void> {
    if (entries.length === 0) return
    const sql = `insert into ${this.db.schema}.entry select $1, seq, body from unnest($2::int[], $3::text[]) as new (seq, body)
      on conflict do nothing`
    const values = [runId, entries.map(({ seq }) => seq), entries.map((entry) => JSON.stringify(entry))]
    if (client === undefined) await this.db.rows(sql, values)
    else await client.query(sql, values)
  }

  /** Of generations that are over. */
  async kept(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    const rows = await this.db.rows<{ seq: number; body: string }>(
      `select seq, body from ${this.db.schema}.entry where run = $1 and seq >= $2 order by seq limit $3`,
      [runId, from, limit],
    )
    return rows.map(({ body, seq }) => parsed(body, `Entry ${seq} of run ${runId}`) as Entry)
  }

  /** `workflow`: the one that goes on. */
  async entries(runId: string, workflow: string | undefined, from: number, limit: number): Promise<readonly Entry[]> {
    const kept = await this.kept(runId, from, limit)
    if (kept.length >= limit || workflow === undefined) return kept
    const next = kept.at(-1)?.seq ?? from - 1
    const going = (await this.advances(workflow, '')).flatMap(({ entries }) => entries)
    const entries = [...kept, ...going.filter(({ seq }) => seq > next)].slice(0, limit)
    // Where a generation ended between the two looks, its entries are kept now.
    const isWhole = entries.every(({ seq }, index) => seq === from + index)
    return isWhole ? entries : await this.kept(runId, from, limit)
  }

  /** How far a workflow has come. */
  async last(workflow: string): Promise<Advanced | undefined> {
    return (await this.advances(workflow, `desc limit ${LAST}`))[0]
  }

  /** Results of other steps (waits, the start of the next generation) are none. */
  private async advances(workflow: string, order: string): Promise<readonly Advanced[]> {
    const rows = await this.db.rows<{ step: number; output: string }>(
      `select function_id as step, output from dbos.operation_outputs where workflow_uuid = $1 and output is not null
         order by function_id ${order}`,
      [workflow],
    )
    const results = rows.map(({ step, output }) =>
      parsed(output, `What DBOS keeps of step ${step} of workflow ${workflow}`),
    )
    return results.filter(isAdvanced) as readonly Advanced[]
  }
}

/** CORRUPT. */
function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unreadable(what, cause)
  }
}
