/**
 * A bank on HTTP: it refunds, charges and sends mails, and each of them happens in the moment in which its line is in the
 * ledger.
 *
 *   POST /refund | /charge | /mail    { order, amount?, text? }, header Idempotency-Key
 *        200 { id, … }    done; with `Idempotent-Replayed: true` if it had been done under that key
 *        422              another request came under that key
 *   GET  /refund?order=…&key=…        what was done, for people and for `reconcile`
 *
 * A bank that honours keys does one thing per key. One that does not acts on every request, and only notes the key; what it
 * has done under it can still be looked up, unless it is `blind`. Keys live as long as the ledger: a bank that is started
 * again on it knows them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { LineFile } from '../line-file.ts'
import { type Asked, acted, type BankLine, DEEDS, type Deed } from './ledger.ts'
import type { Troubles } from './trouble.ts'

export interface BankOptions {
  /** Path of the file that is the ledger. */
  readonly ledger: string
  /** Default true. */
  readonly honoursKeys?: boolean
  /** Nobody can look anything up: 404. Default false. */
  readonly blind?: boolean
}

/** `onLine` is called when a line is on the disk, before the request is answered. */
export function bankServer(options: BankOptions, troubles: Troubles, onLine: (line: BankLine) => void): Server {
  const { honoursKeys = true, blind = false } = options
  const ledger = new LineFile<BankLine>(options.ledger)
  const lines = [...ledger.read()]

  function write(what: BankLine['what'], deed: Deed, asked: Asked, key: string | undefined): BankLine {
    const line: BankLine = { n: lines.length + 1, deed, what, ...asked, ...(key !== undefined && { key }) }
    ledger.append(line)
    lines.push(line)
    onLine(line)
    return line
  }

  /** One turn of the event loop: no second request comes between look and deed. */
  function decide(deed: Deed, asked: Asked, key: string | undefined): { what: BankLine['what']; line: BankLine } {
    const first = honoursKeys && key !== undefined ? acted(lines).find((line) => line.key === key) : undefined
    if (first === undefined) return { what: 'acted', line: write('acted', deed, asked, key) }
    const what = isSame(first, deed, asked) ? 'repeated' : 'refused'
    write(what, deed, asked, key)
    return { what, line: first }
  }

  async function act(deed: Deed, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = askedIn(await bodyOf(request))
    if (asked === undefined) return reply(response, 400, { error: 'order is missing, or amount is not a whole number' })
    const header = request.headers['idempotency-key']
    const key = typeof header === 'string' ? header : undefined
    const trouble = troubles.take(deed, asked.order)
    if (trouble?.how === 'drop-before') return void request.socket.destroy()
    if (trouble?.how === 'refuse') {
      write('refused', deed, asked, key)
      const { status = 503, retryAfter } = trouble
      if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter))
      return reply(response, status, { error: 'not now' })
    }
    const { what, line } = decide(deed, asked, key)
    if (trouble?.how === 'hold') return
    if (trouble?.how === 'drop') return void request.socket.destroy()
    if (trouble?.how === 'late') await new Promise((resolve) => setTimeout(resolve, trouble.delayMs ?? 0))
    if (what === 'refused') return reply(response, 422, { error: 'another request came under this key' })
    if (what === 'repeated') response.setHeader('Idempotent-Replayed', 'true')
    reply(response, 200, receiptOf(line))
  }

  function find(deed: Deed, query: URLSearchParams, response: ServerResponse): void {
    if (blind) {
      reply(response, 404, { error: 'nothing can be looked up here' })
      return
    }
    const [order, key] = [query.get('order'), query.get('key')]
    const found = acted(lines).filter(
      (line) => line.deed === deed && (order ?? line.order) === line.order && (key === null || key === line.key),
    )
    reply(response, 200, found.map(receiptOf))
  }

  return createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://bank')
    const deed = DEEDS.find((each) => pathname === `/${each}`)
    if (deed === undefined) reply(response, 404, { error: `${pathname} is nothing that this bank does` })
    else if (request.method === 'GET') find(deed, searchParams, response)
    // A client that dies while it is heard has asked for nothing.
    else act(deed, request, response).catch(() => request.socket.destroy())
  })
}

export interface Receipt extends Asked {
  /** `refund-7` */
  readonly id: string
}

function receiptOf({ n, deed, order, amount, text }: BankLine): Receipt {
  return {
    id: `${deed}-${n}`,
    order,
    ...(amount !== undefined && { amount }),
    ...(text !== undefined && { text }),
  }
}

function isSame(line: BankLine, deed: Deed, { order, amount, text }: Asked): boolean {
  return line.deed === deed && line.order === order && line.amount === amount && line.text === text
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

function askedIn(body: unknown): Asked | undefined {
  const { order, amount, text } = (body ?? {}) as { order?: unknown; amount?: unknown; text?: unknown }
  if (typeof order !== 'string' || !(amount === undefined || Number.isSafeInteger(amount))) return undefined
  return {
    order,
    ...(amount !== undefined && { amount: amount as number }),
    ...(typeof text === 'string' && { text }),
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(body))
}
