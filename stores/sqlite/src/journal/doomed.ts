/**
 * Blobs that no entry may refer to any more, since the run that did was discarded: they go later, for whoever has just put
 * the same bytes writes its entry after that; such a `put` spares them. The table is made by the first discard.
 */
import type { Database } from '../database.ts'

const TABLE = 'create table if not exists doomed (hash text primary key, at integer not null) without rowid'

/** Inside a unit. `now`: when the mark is made. */
export function doom(database: Database, hashes: Iterable<string>, now: number): void {
  database.exec(TABLE)
  for (const hash of hashes) database.run('insert or replace into doomed (hash, at) values (?, ?)', hash, now)
}

export function isDoomed(database: Database, hash: string): boolean {
  return exists(database) && database.get('select 1 from doomed where hash = ?', hash) !== undefined
}

/** Inside a unit. */
export function spare(database: Database, hash: string): void {
  if (exists(database)) database.run('delete from doomed where hash = ?', hash)
}

/** Marked by then. */
export function doomedBy(database: Database, at: number): string[] {
  if (!exists(database)) return []
  return database.all<{ hash: string }>('select hash from doomed where at <= ?', at).map(({ hash }) => hash)
}

function exists(database: Database): boolean {
  return database.get("select 1 from sqlite_schema where type = 'table' and name = 'doomed'") !== undefined
}
