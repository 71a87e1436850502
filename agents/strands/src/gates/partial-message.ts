/**
 * The partial message of a model that came to its maximum of tokens. An error is recorded with what it has, but for what is
 * too long for an error: then the message is a step of its own, right before the step that fails with the error.
 *
 *   partial:<call>[:2]    of the model call with that local key: `partial:model#3`, `partial:beyond:judge@1~2`
 *
 * So the body of the call's step fails twice: at first without a record, and then, once the message is kept, with one. A
 * process that dies in between makes the call again, and so does a retry of the run: the newest message is the error's.
 */
import { decode, errorToJson, UnrecordedError } from '@selvage/core'
import { MaxTokensError, type MessageData } from '@strands-agents/sdk'
import { modelOutcomeError, usageOfError } from '../conversation/record.ts'
import type { Scope } from './scope.ts'

const PARTIAL = 'partial:'

/** Of errors whose message is a step of its own: its local key. */
const steps = new WeakMap<object, string>()

/** Of one model call. */
export class PartialMessage {
  readonly #scope: Scope
  readonly #call: string
  #kept: MaxTokensError | undefined

  /** `call`: its local key. */
  constructor(scope: Scope, call: string) {
    this.#scope = scope
    this.#call = call
  }

  /** At the begin of the body. */
  throwIfKept(): void {
    if (this.#kept !== undefined) throw this.#kept
  }

  /** What the body throws of an error that is an outcome. */
  thrownOf(error: Error): Error {
    if (!isCut(error)) return error
    // Recorded with the error: whoever counts does not look for the message.
    const usage = usageOfError(error)
    return new UnrecordedError(usage === undefined ? error : Object.assign(error, { usage }))
  }

  /** Whether the step is to be asked for again, because the message of its error is recorded now. */
  async keep(error: unknown): Promise<boolean> {
    const { durable } = this.#scope
    if (this.#kept !== undefined || !isCut(error) || durable.abortSignal.aborted) return false
    const before = recordedOf(this.#scope, this.#call).length
    const local = `${PARTIAL}${this.#call}${before === 0 ? '' : `:${before + 1}`}`
    const op = { key: this.#scope.key(local), kind: 'code', name: 'partial message', effect: 'read' } as const
    try {
      await durable.step(op, () => error.partialMessage.toJSON())
    } catch (thrown) {
      if (durable.abortSignal.aborted) return false
      throw thrown
    }
    steps.set(error, local)
    this.#kept = error
    return true
  }

  /** The recorded error of the call, of its class. */
  rebuilt(recorded: unknown): Error | undefined {
    let local: string | undefined
    const error = modelOutcomeError(recorded, () => {
      local = recordedOf(this.#scope, this.#call).at(-1)
      return partialAt(this.#scope, local)
    })
    if (error !== undefined && local !== undefined) steps.set(error, local)
    return error
  }
}

/** Whether core records the error without its partial message. */
function isCut(error: unknown): error is MaxTokensError {
  if (!(error instanceof MaxTokensError)) return false
  const { details } = errorToJson(error)
  return (details as { readonly partialMessage?: unknown } | undefined)?.partialMessage === undefined
}

/** Local keys of the messages recorded of a call, in their order. Behind a `~` it would be another call. */
function recordedOf(scope: Scope, call: string): string[] {
  const first = PARTIAL + call
  const isOfCall = (local: string): boolean => local.startsWith(first) && /^(?::\d+)?$/.test(local.slice(first.length))
  const prefix = scope.key('')
  return scope.entries.flatMap((entry) => {
    if (entry.type !== 'step' || !entry.key.startsWith(prefix)) return []
    const local = entry.key.slice(prefix.length)
    return isOfCall(local) ? [local] : []
  })
}

/** What the step with that local key has recorded. */
export function partialAt(scope: Scope, local: string | undefined): MessageData | undefined {
  if (local === undefined) return undefined
  const key = scope.key(local)
  const entry = scope.entries.findLast((entry) => entry.type === 'step' && entry.key === key)
  return entry?.type === 'step' && 'ok' in entry.outcome ? (decode(entry.outcome.ok) as MessageData) : undefined
}

/** The local key of the step that has the error's message; undefined: the error is recorded with it. */
export function partialStepOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? steps.get(error) : undefined
}

export function isPartialKey(key: string): boolean {
  return key.startsWith(PARTIAL)
}
