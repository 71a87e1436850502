import type { Message, MessageQuery, MessageState } from 'selvage/core'
import { quote, type Session } from '../session.ts'
import { table } from '../table.ts'
import { ago, brief, plural } from '../words.ts'

export interface OutboxListOptions {
  readonly state?: MessageState
  readonly topic?: string
  readonly run?: string
  readonly limit?: number
  readonly after?: string
}

const COLOUR = { waiting: 'yellow', delivering: 'cyan', delivered: 'green', dead: 'red' } as const

/** `selvage outbox`: one page of messages, newest first. */
export async function outbox({ selvage, output, again }: Session, options: OutboxListOptions): Promise<void> {
  const page = await selvage.messages(queryOf(options))
  if (output.json) return output.document(page)
  if (page.items.length === 0) return output.note(`No such messages in ${selvage.location}.`)
  const now = Date.now()
  const head = ['MESSAGE', 'STATE', 'TOPIC', 'RUN', 'ATTEMPTS', 'SENT', ''].map((name) => output.style('dim', name))
  const rows = page.items.map((message) => [
    message.id,
    output.style(COLOUR[message.state], message.state),
    brief(message.topic, 60),
    brief(message.runId, 500),
    String(message.attempts),
    ago(message.sentAt, now),
    brief(aboutOf(message, now), 160),
  ])
  for (const line of table([head, ...rows], output.width)) output.line(line)
  const dead = page.items.filter((message) => message.state === 'dead')
  if (dead[0] !== undefined) {
    output.note(
      `${plural(dead.length, 'message is', 'messages are')} dead. Deliver one after all: selvage resend ${dead[0].id}${again}`,
    )
  }
  if (page.next !== undefined) output.note(`More: selvage outbox --after ${quote(page.next)}${again}`)
}

/** `selvage resend`: a dead message waits again. */
export async function resend({ selvage, output }: Session, id: string): Promise<void> {
  await selvage.resend(id)
  const { topic, runId, state } = await selvage.message(id)
  if (output.json) output.document({ id, topic, runId, state })
  else output.line(`Message ${id} is delivered as soon as a worker handles "${topic}".`)
}

function aboutOf({ state, error, dueAt, payload }: Message, now: number): string {
  if (state === 'dead' && error !== undefined) return error.message
  if (state === 'waiting' && error !== undefined) {
    return dueAt === undefined || dueAt <= now ? error.message : `again ${ago(dueAt, now)}: ${error.message}`
  }
  if (state === 'waiting' && dueAt === undefined) return 'behind an earlier one'
  return JSON.stringify(payload) ?? ''
}

function queryOf({ state, topic, run, limit, after }: OutboxListOptions): MessageQuery {
  return {
    ...(state === undefined ? {} : { state }),
    ...(topic === undefined ? {} : { topic }),
    ...(run === undefined ? {} : { runId: run }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  }
}
