/**
 * A pooler before PostgreSQL, as far as its clients can tell one: it takes few of the parameters that can be said while a
 * connection is made, makes a process id up, and lends its own connections to the server, to a client as long as that stays
 * (`session`), or one and the same to all of them by the transaction (`transaction`). PgBouncer is not on npm. The server must
 * trust who comes.
 *
 * Messages of the protocol: a letter (the first one of a client has none), a length that counts itself, and a body.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePorts } from './ports.ts'

const SSL_REQUEST = 80_877_103
const KNOWN = ['user', 'database', 'application_name', 'client_encoding', 'datestyle', 'timezone']
const READY = 'Z'
const IDLE = 'I'
const KEY = 'K'
const ERROR = 'E'
const TERMINATE = 'X'

export class TestPooler {
  readonly url: string
  private readonly target: URL
  private readonly mode: 'session' | 'transaction'
  private readonly listener: Server
  private readonly sockets: Set<Socket> = new Set()
  private shared: Promise<Lent> | undefined

  static async open(server: string, mode: 'session' | 'transaction'): Promise<TestPooler> {
    const [port = 0] = await freePorts(1)
    const pooler = new TestPooler(new URL(server), mode, port)
    await new Promise<void>((resolve) => void pooler.listener.listen(port, '127.0.0.1', resolve))
    return pooler
  }

  private constructor(target: URL, mode: 'session' | 'transaction', port: number) {
    this.target = target
    this.mode = mode
    this.listener = createServer((client) => this.serve(client))
    const url = new URL(target)
    url.host = `127.0.0.1:${port}`
    this.url = url.href
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => void this.listener.close(resolve))
  }

  private serve(client: Socket): void {
    this.keep(client)
    let lent: Lent | undefined
    const greet = (first: Buffer): void => {
      if (first.readInt32BE(4) === SSL_REQUEST) {
        client.once('data', greet).write('N')
        return
      }
      const unknown = parametersOf(first).find((name) => !KNOWN.includes(name))
      if (unknown !== undefined) {
        client.end(refusal(`unsupported startup parameter: ${unknown}`))
        return
      }
      if (this.mode === 'transaction') this.shared ??= this.borrow()
      void (this.shared ?? this.borrow()).then((connection) => {
        lent = connection
        client.write(connection.greeting)
        client.on('data', (data) => {
          if (data[0] !== TERMINATE.charCodeAt(0)) connection.ask(client, data)
        })
      })
    }
    client.once('data', greet)
    client.on('close', () => {
      if (this.mode === 'session') lent?.close()
    })
  }

  /** A connection to the server. */
  private async borrow(): Promise<Lent> {
    const socket = connect(Number(this.target.port), this.target.hostname)
    this.keep(socket)
    const user = decodeURIComponent(this.target.username)
    const database = decodeURIComponent(this.target.pathname.slice(1))
    const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0${database}\0\0`, 'latin1')
    socket.write(Buffer.concat([lengthOf(body), body]))
    return await Lent.greeted(socket, this.mode === 'transaction')
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket.setNoDelay(true).on('error', () => {}))
    socket.on('close', () => this.sockets.delete(socket))
  }
}

/** A connection to the server. Of one that is shared, whoever asks has it until the server is ready for another transaction. */
class Lent {
  greeting: Buffer = Buffer.alloc(0)
  private readonly socket: Socket
  private owner: Socket | undefined
  private readonly queue: [client: Socket, data: Buffer][] = []

  /** Resolves when it is ready for the first one. */
  static async greeted(socket: Socket, isShared: boolean): Promise<Lent> {
    const lent = new Lent(socket)
    const ready = Promise.withResolvers<void>()
    const parts: Buffer[] = []
    let left: Buffer = Buffer.alloc(0)
    socket.on('data', (data) => {
      const { whole, rest } = messages(Buffer.concat([left, data]))
      left = rest
      for (const message of whole) {
        const kind = String.fromCharCode(message[0] ?? 0)
        if (lent.greeting.length === 0) parts.push(kind === KEY ? madeUp(message) : message)
        else lent.owner?.write(message)
        if (kind !== READY) continue
        if (lent.greeting.length === 0) lent.greeting = Buffer.concat(parts)
        ready.resolve()
        if (isShared && message.toString('latin1', 5) === IDLE) lent.next()
      }
    })
    await ready.promise
    return lent
  }

  private constructor(socket: Socket) {
    this.socket = socket
  }

  ask(client: Socket, data: Buffer): void {
    if (this.owner !== undefined && this.owner !== client) this.queue.push([client, data])
    else {
      this.owner = client
      this.socket.write(data)
    }
  }

  close(): void {
    this.socket.end()
  }

  private next(): void {
    this.owner = undefined
    const [asked] = this.queue.splice(0, 1)
    if (asked !== undefined) this.ask(...asked)
  }
}

/** The names in the first message of a client. */
function parametersOf(first: Buffer): readonly string[] {
  const words = first.toString('utf8', 8, first.readInt32BE(0)).split('\0')
  return words.filter((word, index) => index % 2 === 0 && word !== '')
}

function messages(data: Buffer): { whole: readonly Buffer[]; rest: Buffer } {
  const whole: Buffer[] = []
  let at = 0
  while (at + 5 <= data.length) {
    const end = at + 1 + data.readInt32BE(at + 1)
    if (end > data.length) break
    whole.push(data.subarray(at, end))
    at = end
  }
  return { whole, rest: data.subarray(at) }
}

function madeUp(key: Buffer): Buffer {
  const other = Buffer.from(key)
  other.writeInt32BE(1_000_000_000 + key.readInt32BE(5), 5)
  return other
}

function refusal(text: string): Buffer {
  const body = Buffer.from(`SFATAL\0VFATAL\0C08P01\0M${text}\0\0`)
  return Buffer.concat([Buffer.from(ERROR), lengthOf(body), body])
}

function lengthOf(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return length
}
