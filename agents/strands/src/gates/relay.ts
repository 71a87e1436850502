/**
 * Carries the events of a step to whoever consumes the agent's stream, while the step runs under the gate.
 *
 * In lockstep: the step goes on only when the consumer has come back for the next event, as it would without the gate.
 * So hooks see an event before the model or tool moves on, a slow consumer slows the step down, and an error that the
 * consumer throws into the stream reaches the step at the event that caused it. A consumer that leaves ends the step.
 */
export type Send<Event> = (event: Event) => Promise<void>

interface Sent<Event> {
  readonly event: Event
  readonly taken: () => void
  readonly refused: (error: unknown) => void
}

/** What `send` rejects with when the consumer has closed the stream. */
export class ConsumerLeft extends Error {
  override readonly name = 'ConsumerLeft'

  constructor() {
    super('The consumer of the stream has left.')
  }
}

/** Runs `run` and yields what it sends; returns or throws what it returns or throws. */
export async function* relay<Event, Result>(
  run: (send: Send<Event>) => Promise<Result>,
  lost: () => boolean,
): AsyncGenerator<Event, Result, undefined> {
  const queue: Sent<Event>[] = []
  let current: Sent<Event> | undefined
  let left = false
  let outcome: { readonly ok: Result } | { readonly error: unknown } | undefined
  let wake = (): void => {}

  const send: Send<Event> = (event) => {
    if (left) return Promise.reject(new ConsumerLeft())
    return new Promise<void>((taken, refused) => {
      queue.push({ event, taken, refused })
      wake()
    })
  }
  const over = run(send).then(
    (ok) => {
      outcome = { ok }
      wake()
    },
    (error: unknown) => {
      outcome = { error }
      wake()
    },
  )

  try {
    while (true) {
      current = queue.shift()
      if (current !== undefined) {
        try {
          yield current.event
        } catch (error) {
          current.refused(error)
          continue
        }
        current.taken()
      } else if (outcome !== undefined) {
        if ('error' in outcome) throw outcome.error
        return outcome.ok
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    if (outcome === undefined) {
      left = true
      for (const sent of [current, ...queue]) sent?.refused(new ConsumerLeft())
      // Where the run was lost its step never settles.
      if (!lost()) await over
    }
  }
}

/** Drains a generator, sending what it yields. Closes it when the consumer leaves; throws into it what the consumer throws. */
export async function pump<Event, Result>(
  source: AsyncGenerator<Event, Result, undefined>,
  send: Send<Event>,
): Promise<Result> {
  let next = await source.next()
  while (!next.done) {
    try {
      await send(next.value)
    } catch (error) {
      if (error instanceof ConsumerLeft) {
        await source.return(undefined as never)
        throw error
      }
      next = await source.throw(error)
      continue
    }
    next = await source.next()
  }
  return next.value
}
