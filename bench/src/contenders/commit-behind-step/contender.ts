import type { Contender } from '../../contender.ts'
import { countRows } from '../bare-sqlite/steps.ts'
import { steps } from './steps.ts'

/** No way to keep anything: it shows what of a step beyond the floor is the price of a commit that is not made in a tight loop. */
export const commitBehindStep: Contender = {
  name: 'commit-behind-step',
  title: 'the same `node:sqlite` insert, each behind a step of Selvage in memory',
  version: process.versions.sqlite ?? 'unknown',
  durability: (durability) =>
    `WAL, synchronous=${durability}, one transaction per insert; the step is on sqlite::memory:`,
  steps,
  countSteps: countRows,
}
