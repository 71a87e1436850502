import type { Contender } from '../contender.ts'
import { bareSqlite } from './bare-sqlite/contender.ts'
import { commitBehindStep } from './commit-behind-step/contender.ts'
import {
  barePostgres,
  dbos,
  langgraph,
  openworkflowPostgres,
  openworkflowSqlite,
  restate,
  vercelWorkflow,
} from './peers.ts'
import { selvage } from './selvage/contender.ts'
import { selvageDbos, selvagePostgres, selvageRestate } from './selvage/elsewhere.ts'

const ALL: readonly Contender[] = [
  bareSqlite,
  commitBehindStep,
  selvage,
  openworkflowSqlite,
  langgraph,
  barePostgres,
  openworkflowPostgres,
  dbos,
  restate,
  selvagePostgres,
  selvageDbos,
  selvageRestate,
  vercelWorkflow,
]

export function contender(name: string): Contender {
  const found = ALL.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no contender ${name}: there are ${ALL.map((each) => each.name).join(', ')}`)
  return found
}

export function contenders(): readonly Contender[] {
  return ALL
}
