/** What the six statuses cannot say: that nobody is at work on a run, though its status says so or leaves it open. */
import type { InlineState, RunOwner, RunStatus } from 'selvage/core'

export interface Standing {
  /** Beside the status in a table. */
  readonly brief: string
  /** A sentence. */
  readonly told: string
}

/** A run of `durable()`: no worker takes it, its author's own program does when it is run again. */
export function isInline(run: { readonly program: string }): boolean {
  return run.program.startsWith('inline:')
}

/** Empty where the status says it all. */
export function standing(run: {
  readonly status: RunStatus
  readonly owner?: RunOwner
  readonly inline?: InlineState
}): readonly Standing[] {
  if (run.inline !== undefined) return [inlineStanding(run.inline)]
  if (run.status !== 'running' || run.owner?.alive !== false) return []
  return [{ brief: 'worker dead', told: 'running, but its worker is dead: the next worker takes it over' }]
}

function inlineStanding({ turn, state }: InlineState): Standing {
  switch (state) {
    case 'idle':
      return turn === 0
        ? { brief: 'inline, nothing done', told: 'inline: its program has not invoked the agent yet' }
        : { brief: `inline, turn ${turn} done`, told: `inline: turn ${turn} is done, nothing is left to do` }
    case 'working':
      return { brief: `inline, turn ${turn}`, told: `inline: its program is at turn ${turn}` }
    case 'asking':
      return {
        brief: `inline, turn ${turn} asks`,
        told: `inline: turn ${turn} waits for an answer; then run the program again`,
      }
    case 'interrupted':
      return {
        brief: `inline, turn ${turn} interrupted`,
        told: `inline: turn ${turn} was interrupted: run the program again`,
      }
  }
}
