/**
 * Whether the process of a worker lives, whatever became of its connection: it listens on a socket in the folder for
 * temporary files, which the kernel closes at its death. Who can connect knows that it lives, who is refused that it has
 * died; where there is no such socket it ran on another machine, and nobody here can tell.
 *
 * A lock of the database cannot tell: a connection also ends where only the network failed. So this says whether a worker
 * whose lock is free is dead, and whether what it was about to do may still happen (Store.authorMayLive).
 */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of one that has died: nobody asks for it any more. */
const FORGET_MS = 7 * 24 * 3_600_000
const WINDOWS_PIPES = '\\\\.\\pipe'

/** `none`: nobody here can tell. */
export type Sign = 'lives' | 'died' | 'none'

export class Presence {
  readonly #database: string
  readonly #servers: Map<string, Server> = new Map()

  /** `database`: what ids of workers are unique in. */
  constructor(database: string) {
    this.#database = database
  }

  async announce(workerId: string): Promise<void> {
    if (!isOurs()) return
    sweep()
    const server = createServer((socket) => void socket.destroy())
    // Where none can be made nobody will be able to tell, which is said above.
    server.on('error', () => {})
    rmSync(this.#pathOf(workerId), { force: true })
    await new Promise<void>((resolve) => {
      server.once('error', () => resolve())
      server.listen(this.#pathOf(workerId), resolve)
    })
    server.unref()
    this.#servers.set(workerId, server)
  }

  async signOf(workerId: string): Promise<Sign> {
    if (this.#servers.has(workerId)) return 'lives'
    if (!isOurs()) return 'none'
    return await new Promise((resolve) => {
      const socket = connect(this.#pathOf(workerId))
      const answer = (sign: Sign): void => {
        socket.destroy()
        resolve(sign)
      }
      socket.once('connect', () => answer('lives'))
      socket.once('error', (error) => {
        answer((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'died' : 'none')
      })
    })
  }

  /** It does nothing more. */
  withdraw(workerId: string): void {
    this.#servers.get(workerId)?.close()
    this.#servers.delete(workerId)
  }

  /** Its process may go on with what it began: the socket stays for as long as that lives. */
  linger(workerId: string): void {
    this.#servers.delete(workerId)
  }

  /** A short name: a path of a socket has about a hundred characters. */
  #pathOf(workerId: string): string {
    const name = createHash('sha256').update(`${this.#database} ${workerId}`).digest('hex').slice(0, 16)
    return process.platform === 'win32' ? join(WINDOWS_PIPES, `selvage-${name}`) : join(folder(), name)
  }
}

/** Anybody can make a folder there: what is said in it counts only if it is our own. */
function isOurs(): boolean {
  if (process.platform === 'win32') return true
  try {
    mkdirSync(folder(), { recursive: true, mode: 0o700 })
    const found = lstatSync(folder())
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
  } catch {
    return false
  }
}

function folder(): string {
  return join(tmpdir(), `selvage-workers-${process.getuid?.() ?? ''}`)
}

function sweep(): void {
  if (process.platform === 'win32') return
  for (const name of readdirSync(folder())) {
    const path = join(folder(), name)
    try {
      if (Date.now() - statSync(path).mtimeMs > FORGET_MS) rmSync(path)
    } catch {
      // Gone meanwhile.
    }
  }
}
