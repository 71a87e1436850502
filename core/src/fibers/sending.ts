/**
 * What a step sends: messages that its attempt gathers, and that the entry of its success carries. An attempt that fails,
 * asks or is lost has sent nothing.
 */
import { UsageError } from '../errors.ts'
import { deriveId } from '../journal/keys.ts'
import type { OutboxMessage } from '../outbox.ts'
import type { Manifest } from '../ports.ts'
import { encode } from '../values/codec.ts'
import type { Offload } from '../values/offload.ts'
import type { Fiber } from './fiber.ts'

/** Adds a message to what the attempt sends; returns its id. Finds the step by its key: who may send must not keep its body. */
export function sendFrom(fiber: Fiber, key: string, attempt: number, topic: string, payload: unknown): string {
  const step = fiber.steps.get(key)
  if (fiber.env.manifest.abilities.outbox !== true) throw noOutbox(fiber.env.manifest)
  if (step?.attempt !== attempt || step.phase !== 'running') {
    throw new UsageError('ALREADY_OPEN', `A message to "${topic}" was sent after step ${key} of run ${fiber.runId}.`, {
      hint: 'Its outcome was decided by then: await whatever sends inside of the step.',
      details: { runId: fiber.runId, step: key },
    })
  }
  checkTopic(topic)
  const sent = step.sent ?? []
  const label = `${key}/sent#${sent.length + 1}`
  const id = deriveId(fiber.env.runtime, fiber.known.salt, fiber.runId, 'msg_', label)
  const message = { id, topic, payload: encode(payload ?? null, `message ${sent.length + 1} of step ${key}`) }
  step.sent = [...sent, message]
  return id
}

/** Large payloads go where large results go. */
export function packMessages(offload: Offload, sent: readonly OutboxMessage[]): Promise<readonly OutboxMessage[]> {
  return Promise.all(sent.map(async (message) => ({ ...message, payload: await offload.pack(message.payload) })))
}

/** BAD_INPUT for a topic of an author's that is none. */
export function checkTopic(topic: unknown): asserts topic is string {
  if (typeof topic === 'string' && topic !== '' && !topic.startsWith('$')) return
  throw new UsageError('BAD_INPUT', `A message cannot have the topic ${JSON.stringify(topic)}.`, {
    hint: "A topic is a text; those that begin with '$' belong to Selvage.",
  })
}

export function noOutbox(manifest: Manifest): UsageError {
  return new UsageError('UNSUPPORTED', `Engine '${manifest.name}' has no outbox.`, {
    hint: 'Send in a step of its own, with at.idempotencyKey, or use the embedded engine.',
  })
}
