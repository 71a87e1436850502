/**
 * Where a database is, or will be, whatever links lead there. SQLite keeps its log beside that file; so must lie what we keep beside
 * it, or who opens the database by another name finds no lock of a worker that lives.
 */
import { readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** As many links as Linux follows. */
const MOST_LINKS = 40

export function realPath(path: string, links: number = MOST_LINKS): string {
  const given = resolve(path)
  try {
    return realpathSync(given)
  } catch {
    // It is not there, or not all of the way.
  }
  const target = targetOf(given)
  if (target !== undefined && links > 0) return realPath(resolve(dirname(given), target), links - 1)
  const folder = dirname(given)
  return folder === given ? given : join(realPath(folder, links), basename(given))
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
