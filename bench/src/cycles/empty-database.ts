/** What a file has before there is a run in it. */
import { statSync } from 'node:fs'
import { openSelvage } from 'selvage/core'
import { databaseFile, urlOf } from '../contenders/selvage/database.ts'
import { scratchFolder } from '../scratch.ts'

/** Bytes of one that was only opened and closed. */
export async function emptyDatabase(): Promise<number> {
  const folder = scratchFolder()
  const selvage = await openSelvage({ url: urlOf(folder), work: false })
  await selvage.close()
  return statSync(databaseFile(folder)).size
}
