import { readFileSync } from 'node:fs'
import type { Contender } from '../../contender.ts'
import { chat } from './chat.ts'
import { databaseFile } from './database.ts'
import { many } from './many.ts'
import { agentRecovery, recovery } from './recovery.ts'
import { signals } from './signals.ts'
import { sleepers } from './sleepers.ts'
import { countSteps, steps } from './steps.ts'

export const selvage: Contender = {
  name: 'selvage',
  title: 'Selvage, embedded engine',
  version: versionOf('selvage'),
  durability: (durability) => `openSelvage({ durability: '${durability}' }): WAL, synchronous=${durability}`,
  steps,
  countSteps,
  databaseFile,
  recovery,
  agentRecovery,
  chat,
  signals,
  sleepers,
  many,
}

function versionOf(name: string): string {
  const manifest = new URL('../package.json', import.meta.resolve(name))
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
