/** All of them, by the package that is broken. */
import { CLI } from './cli.ts'
import { CORE } from './core.ts'
import { DBOS } from './dbos.ts'
import { EMBEDDED } from './embedded.ts'
import { LAMBDA } from './lambda.ts'
import type { Mutation } from './mutation.ts'
import { POSTGRES } from './postgres.ts'
import { PROGRAMS } from './programs.ts'
import { RESTATE } from './restate.ts'
import { SELVAGE } from './selvage.ts'
import { SQLITE } from './sqlite.ts'
import { STRANDS } from './strands.ts'

export const MUTATIONS: readonly Mutation[] = [
  ...CORE,
  ...PROGRAMS,
  ...STRANDS,
  ...SQLITE,
  ...POSTGRES,
  ...EMBEDDED,
  ...RESTATE,
  ...LAMBDA,
  ...DBOS,
  ...SELVAGE,
  ...CLI,
]
