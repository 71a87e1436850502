/**
 * Where the processes of one database find each other: a folder of sockets in the system's temporary folder, one for each
 * process that works on runs. Not beside the database, whose path may be longer than a socket's may be.
 */
import { createHash, randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'

/** The folder for a database, by its file or its url; undefined where there can be none (Windows) or it is not ours alone. */
export function placeOf(database: string): string | undefined {
  const uid = process.getuid?.()
  if (uid === undefined) return undefined
  try {
    const isFile = isAbsolute(database)
    const path = isFile ? join(realpathSync(dirname(database)), basename(database)) : database
    const name = createHash('sha256').update(`${uid}:${path}`).digest('hex').slice(0, 12)
    // Short: macOS allows 103 bytes for the path of a socket, and its temporary folder takes 66 of them.
    const place = join(realpathSync(tmpdir()), `slv-${name}`)
    mkdirSync(place, { recursive: true, mode: 0o700 })
    const found = lstatSync(place)
    // Anybody can make a folder there: tokens go into our own, or nowhere.
    return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0 ? place : undefined
  } catch {
    return undefined
  }
}

export function newSocket(place: string): string {
  return join(place, `${process.pid}.${randomBytes(3).toString('hex')}`)
}

export function socketsIn(place: string): string[] {
  try {
    return readdirSync(place).map((name) => join(place, name))
  } catch {
    return []
  }
}

const open = new Set<string>()
let listens = false

/** A process that ends without closing, as one with `durable()` does, takes its socket with it. */
export function leaveAtExit(socket: string): void {
  if (!listens) {
    listens = true
    process.once('exit', () => {
      for (const each of open) {
        rmSync(each, { force: true })
        leave(dirname(each))
      }
    })
  }
  open.add(socket)
}

/** Whoever leaves last takes the folder away. */
export function leave(place: string): void {
  try {
    rmdirSync(place)
  } catch {
    // Others are there.
  }
}

/** Takes the socket of a dead process away. Returns whether its process is alive. */
export function isAlive(socket: string): boolean {
  try {
    process.kill(Number.parseInt(basename(socket), 10), 0)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') return true
  }
  try {
    unlinkSync(socket)
  } catch {
    // Another reader was faster.
  }
  return false
}
