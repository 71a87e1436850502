/**
 * Carries the events of a step to whoever consumes the agent's stream, while the step runs under the gate.
 *
 * In lockstep: the step goes on only when the consumer has come back for the next event, as it would without the gate.
 * So hooks see an event before the model or tool moves on, a slow consumer slows the step down, and an error that the
 * consumer throws into the stream reaches the step at the event that caused it.
 *
 * A consumer that leaves does not end the step: what was begun is paid for, or done, and is recorded. From then on the step
 * goes on without anybody, and the consumer's `break` waits until it is over.
 */
export type Send<Event> = (event: Event) => Promise<void>

interface Sent<Event> {
  readonly event: Event
  readonly taken: () => void
  readonly refused: (error: unknown) => void
}

/** What `send` rejects with where the step is to end because nobody waits for it any more. */
export class ConsumerLeft extends Error {
  override readonly name = 'ConsumerLeft'

  constructor() {
    super('The consumer of the stream has left.')
  }
}

/**
 * Runs `run` and yields what it sends; returns or throws what it returns or throws. `ends`: whether a consumer that leaves
 * now ends the step all the same.
 */
export async function* relay<Event, Result>(
  run: (send: Send<Event>) => Promise<Result>,
  lost: () => boolean,
  ends: () => boolean = () => false,
): AsyncGenerator<Event, Result, undefined> {
  const queue: Sent<Event>[] = []
  let current: Sent<Event> | undefined
  let left: 'goes on' | 'ends' | undefined
  let outcome: { readonly ok: Result } | { readonly error: unknown } | undefined
  let wake = (): void => {}

  const send: Send<Event> = (event) => {
    if (left === 'goes on') return Promise.resolve()
    if (left === 'ends') return Promise.reject(new ConsumerLeft())
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
      left = ends() ? 'ends' : 'goes on'
      for (const sent of [current, ...queue]) {
        if (left === 'ends') sent?.refused(new ConsumerLeft())
        else sent?.taken()
      }
      // Where the run was lost its step never settles.
      if (!lost()) await over
    }
  }
}

/** Drains a generator, sending what it yields. Closes it where the step is to end; throws into it what the consumer throws. */
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
