/**
 * Whether the path still leads to the files that are open here. A file that is removed or replaced under a process (a deploy
 * that takes its folder away, `rm -rf`, a backup that is put in its place) goes on taking whatever that process writes, and
 * nobody ever finds it. SQLite does not look: so the store does before it writes or reads, from time to time.
 *
 * Only names are looked up. To open a file would free the locks that this process holds on it (database.ts).
 */
import { statSync } from 'node:fs'
import { EngineError } from '@selvage/core'

/** A look takes 10 to 15 µs. So long at most what is written may go where nobody finds it. */
const EVERY_MS = 100

export class Whereabouts {
  readonly #path: string
  /** Each file of the database, and what told it from others when it was opened. */
  readonly #files: readonly { readonly file: string; readonly identity: string | undefined }[]
  #lookedAt: number
  #isLost = false

  /** The database is open. `now`: of a clock that only goes forward, in milliseconds. */
  constructor(path: string, now: number) {
    this.#path = path
    this.#files = ['', '-wal', '-shm'].map((suffix) => {
      const file = path + suffix
      return { file, identity: identityOf(file) }
    })
    this.#lookedAt = now
  }

  /** Throws UNAVAILABLE (EngineError) where they are not there, until they are again. Looks from time to time. */
  require(now: number): void {
    if (!this.#isLost && now - this.#lookedAt < EVERY_MS) return
    this.#lookedAt = now
    const error = this.look()
    this.#isLost = error !== undefined
    if (error !== undefined) throw error
  }

  /** The same error, if that is how it is. */
  look(): EngineError | undefined {
    const lost = this.#files.find(({ file, identity }) => identity !== undefined && isGone(file, identity))
    return lost && misplaced(this.#path, lost.file)
  }
}

function isGone(file: string, identity: string): boolean {
  try {
    return identityOf(file) !== identity
  } catch {
    // Its folder may not be looked into any more. SQLite will say what that means.
    return false
  }
}

/** Undefined: it is not there. */
function identityOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

function misplaced(path: string, file: string): EngineError {
  const message = `The file ${file} has been removed, moved or replaced while this process has the database open.`
  return new EngineError('UNAVAILABLE', message, {
    hint: 'Nothing is written until it is back. Put it there again, or restart this process for the database that is there now.',
    details: { path, file },
  })
}
