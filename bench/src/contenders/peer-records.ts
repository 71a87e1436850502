/** Steps that peers have recorded, read from their files without their code. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** In the words of OpenWorkflow's schema. */
export function openworkflowSteps(folder: string): number {
  const database = new DatabaseSync(join(folder, 'openworkflow.db'), { readOnly: true })
  try {
    const sql = "select count(*) as count from step_attempts where status in ('completed', 'succeeded')"
    return Number(database.prepare(sql).get()?.count)
  } finally {
    database.close()
  }
}

/** Vercel's local world keeps a file for each step. */
export function vercelSteps(folder: string): number {
  return readdirSync(join(folder, 'workflow-data/steps')).filter((name) => name.endsWith('.json')).length
}
