/**
 * The side of a process that works on runs: tells readers in other processes what its hosts tell.
 *
 * Nothing is done for a run that nobody reads elsewhere. Notes are written at once, and then at most every 25 ms; for a
 * reader that does not keep up, chunks are dropped. `sync` is answered behind every note that came before it, which is
 * how a reader knows that it has all chunks of a step whose entry it sees.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Host, LiveNote } from '@selvage/core'
import { readLines } from './lines.ts'
import { isAlive, leave, leaveAtExit, newSocket, socketsIn } from './place.ts'

const PAUSE_MS = 25
const MOST_UNREAD = 1_000_000

export class Teller {
  readonly #meet: () => string | undefined
  #place: string | undefined
  readonly #hosts = new Set<WeakRef<Host>>()
  readonly #readers = new Set<(host: Host) => void>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  /** Ours: our readers hear our hosts without it. */
  socket: string | undefined

  constructor(meet: () => string | undefined) {
    this.#meet = meet
  }

  /** From now on readers hear of the runs of this host, too. */
  tellOf(host: Host): void {
    for (const ref of this.#hosts) {
      const known = ref.deref()
      if (known === host) return
      if (known === undefined) this.#hosts.delete(ref)
    }
    this.#hosts.add(new WeakRef(host))
    for (const subscribe of this.#readers) subscribe(host)
    this.#server ??= this.#listen()
  }

  close(): void {
    const place = this.#place
    this.#server?.close(() => place !== undefined && leave(place))
    for (const socket of this.#sockets) socket.destroy()
  }

  #listen(): Server | undefined {
    const place = this.#meet()
    if (place === undefined) return undefined
    this.#place = place
    for (const socket of socketsIn(place)) isAlive(socket)
    this.socket = newSocket(place)
    leaveAtExit(this.socket)
    const server = createServer((socket) => this.#accept(socket))
    // Without it readers hear of what is recorded, and of nothing before.
    server.on('error', () => {})
    server.listen(this.socket)
    return server.unref()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket.unref())
    socket.on('error', () => {})
    const reader = new ReaderElsewhere(socket)
    const subscribe = (host: Host): void => reader.hear(host)
    readLines(socket, ({ runId, sync }) => {
      if (sync !== undefined) reader.answer(sync)
      if (typeof runId !== 'string') return
      reader.runId = runId
      this.#readers.add(subscribe)
      for (const ref of this.#hosts) {
        const host = ref.deref()
        if (host !== undefined) subscribe(host)
      }
      reader.answer('here')
    })
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#readers.delete(subscribe)
      reader.leave()
    })
  }
}

class ReaderElsewhere {
  runId = ''
  readonly #socket: Socket
  readonly #unsubscribe: (() => void)[] = []
  #waiting: string[] = []
  #pause: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  hear(host: Host): void {
    this.#unsubscribe.push(host.subscribe(this.runId, (note) => this.#tell(note)))
  }

  answer(sync: unknown): void {
    this.#flush()
    this.#socket.write(`${JSON.stringify({ sync })}\n`)
  }

  leave(): void {
    clearTimeout(this.#pause)
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
  }

  #tell(note: LiveNote): void {
    if (note.type === 'chunk' && this.#socket.writableLength > MOST_UNREAD) return
    this.#waiting.push(JSON.stringify({ note }))
    if (this.#pause !== undefined) return
    this.#flush()
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#flush()
    }, PAUSE_MS).unref()
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#socket.destroyed) return
    this.#socket.write(`${this.#waiting.join('\n')}\n`)
    this.#waiting = []
  }
}
