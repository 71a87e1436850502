/**
 * Runs that wait for something, in a process that is kept from round to round: asked over Node's channel for so many
 * wake-ups, it answers with the milliseconds of each. Programs of bench/peers run this file as it is, without a build: it
 * imports nothing that needs one.
 */

export interface WakesRequest {
  /** 0, 1, …: each has a run of its own. */
  readonly round: number
  readonly count: number
}

/** `wake`: milliseconds from before each of so many to the step behind its wait; null: it was accepted and woke nobody. */
export function serveWakes(wake: (request: WakesRequest) => Promise<readonly (number | null)[]>): void {
  process.on('message', (request: WakesRequest) => {
    wake(request).then(
      (heard) => process.send?.(heard),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.once('disconnect', () => process.exit())
  process.send?.('open')
}
