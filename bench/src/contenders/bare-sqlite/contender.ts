import type { Contender } from '../../contender.ts'
import { countRows, steps } from './steps.ts'

export const bareSqlite: Contender = {
  name: 'bare-sqlite',
  title: 'floor: one `node:sqlite` insert',
  version: process.versions.sqlite ?? 'unknown',
  durability: (durability) => `WAL, synchronous=${durability}, one transaction per insert`,
  steps,
  countSteps: countRows,
}
