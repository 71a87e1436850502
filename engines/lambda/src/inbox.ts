/**
 * The inbox of a generation: a row of callbacks, a few of them always open. A sender looks for the first open one in the
 * history and completes it; the service takes one completion of each, so no signal overwrites another, none is lost that
 * came before its wait, and a run that waits is woken by it.
 *
 *   [signal] [signal] [open] [open] [open] [open]
 *                     ▲ heard                    ▲ as many as are opened: recorded with each advance
 *
 * How many are open follows from what is recorded, never from what has arrived: the ids of operations are positions, and
 * must be the same in each invocation.
 */
import type { DurableContext, DurablePromise } from '@aws/durable-execution-sdk-js'

/** Open callbacks: so many signals may come while no code of the run is there to read them. */
export const OPEN_CALLBACKS = 4

/** Waiting for one that is not read yet makes the SDK ask for news: of one at a time. */
export class Inbox {
  /** Completed ones that were read, in their order. */
  heard = 0
  private readonly ctx: DurableContext
  private readonly name: string
  private readonly hear: (text: string) => void
  private readonly callbacks: DurablePromise<[DurablePromise<string>, string]>[] = []
  private readonly waiting = new Set<() => void>()
  private isListening = false

  constructor(ctx: DurableContext, name: string, hear: (text: string) => void) {
    this.ctx = ctx
    this.name = name
    this.hear = hear
  }

  get opened(): number {
    return this.callbacks.length
  }

  open(count: number): void {
    while (this.callbacks.length < count) this.callbacks.push(this.ctx.createCallback<string>(this.name))
    if (!this.isListening) void this.listen()
  }

  /** Resolves when so many have been heard. */
  async until(count: number): Promise<void> {
    while (this.heard < count) await new Promise<void>((resolve) => this.waiting.add(resolve))
  }

  /** Ids of those from `from` on. */
  async ids(from: number): Promise<readonly string[]> {
    return await Promise.all(this.callbacks.slice(from).map(async (callback) => (await callback)[1]))
  }

  private async listen(): Promise<void> {
    this.isListening = true
    for (let next = this.callbacks[this.heard]; next !== undefined; next = this.callbacks[this.heard]) {
      const [answer] = await next
      // Somebody may fail it in the console, which says nothing to the run.
      const text = await answer.catch(() => '')
      this.heard++
      this.hear(text)
      for (const resolve of this.waiting) resolve()
      this.waiting.clear()
    }
    this.isListening = false
  }
}
