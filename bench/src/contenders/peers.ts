/**
 * What a user would pick instead. Each is set up as its own documentation advises for production, and says what its
 * acknowledgement survives; where it has settings for that, they are those of the durability asked for.
 */
import type { Contender, Durability } from '../contender.ts'
import { versionsOf } from '../install.ts'
import { openworkflowSteps, vercelSteps } from './peer-records.ts'

const POSTGRES = 'PostgreSQL as it comes: fsync and synchronous_commit on'

const onlyFull =
  (text: string) =>
  (durability: Durability): string | undefined =>
    durability === 'full' ? text : undefined

export const barePostgres: Contender = {
  name: 'bare-postgres',
  title: 'floor: one PostgreSQL insert',
  version: versionsOf('bare-postgres'),
  durability: onlyFull(`prepared insert, its own transaction; ${POSTGRES}`),
  peer: { folder: 'bare-postgres', program: 'steps.ts' },
  server: 'postgres',
}

export const openworkflowSqlite: Contender = {
  name: 'openworkflow-sqlite',
  title: 'OpenWorkflow on SQLite',
  version: versionsOf('openworkflow'),
  durability: onlyFull('BackendSqlite.connect(path): node:sqlite, WAL, synchronous=full'),
  peer: { folder: 'openworkflow', program: 'steps.ts', wakes: 'wakes.ts' },
  countSteps: openworkflowSteps,
}

export const openworkflowPostgres: Contender = {
  name: 'openworkflow-postgres',
  title: 'OpenWorkflow on PostgreSQL',
  version: versionsOf('openworkflow'),
  durability: onlyFull(`BackendPostgres.connect(url); ${POSTGRES}`),
  peer: { folder: 'openworkflow', program: 'steps.ts', wakes: 'wakes.ts' },
  server: 'postgres',
}

export const dbos: Contender = {
  name: 'dbos',
  title: 'DBOS on PostgreSQL',
  version: versionsOf('dbos'),
  durability: onlyFull(`DBOS.launch() with a pool of 20; ${POSTGRES}`),
  peer: { folder: 'dbos', program: 'steps.ts', wakes: 'wakes.ts' },
  server: 'postgres',
}

export const restate: Contender = {
  name: 'restate',
  title: 'Restate server, plain handler',
  version: versionsOf('restate'),
  durability: onlyFull('one node, the server as it comes'),
  peer: { folder: 'restate', program: 'steps.ts', wakes: 'wakes.ts' },
  server: 'restate',
}

export const langgraph: Contender = {
  name: 'langgraph',
  title: 'LangGraph, SQLite checkpointer',
  version: versionsOf('langgraph'),
  durability: (durability) => `SqliteSaver, durability: 'sync'; better-sqlite3, WAL, synchronous=${durability}`,
  peer: { folder: 'langgraph', program: 'steps.ts' },
}

export const vercelWorkflow: Contender = {
  name: 'vercel-workflow',
  title: 'Vercel Workflow, local world',
  version: versionsOf('vercel-workflow'),
  durability: (durability) => (durability === 'full' ? undefined : 'local world: a file for each event, without fsync'),
  peer: { folder: 'vercel-workflow', program: 'steps.ts' },
  countSteps: vercelSteps,
}
