/** How an engine may treat its hosts without breaking its own promises. All probabilities are 0 unless given. */
import type { Random } from '../random.ts'

export interface Hostility {
  /** The host did the work, its reply is thrown away, the same request is delivered again. */
  readonly losesReplies?: number
  /** The same request is delivered a second time while the first is in progress. */
  readonly deliversTwice?: number
  /** The same request is delivered once more after its reply was taken. */
  readonly deliversLate?: number
  /** The process dies during an advance. */
  readonly kills?: number
  /** The process dies between two advances. */
  readonly drops?: number
  /** A signal takes longer than those after it. */
  readonly delaysSignals?: number
  /** A signal is also offered to the live fiber. */
  readonly offers?: number
  /** An advance without a reason to advance. */
  readonly wakesForNothing?: number
  /** A store's append fails; half of those after it was committed. */
  readonly failsAppends?: number
  /** Rotation is asked for after so many advances of a generation. */
  readonly rotatesEvery?: number
  /** Milliseconds after which an advance is asked to return. */
  readonly budgetMs?: number
  /**
   * An engine that only harms cannot be told from one that is broken: acts against one request, at most. Default 2: six deliveries
   * would look like a program that kills its process.
   */
  readonly actsPerRequest?: number
}

/** Turns of the event loop that a delay may take. */
const LONGEST_DELAY = 12

/** Draws what happens next. One per request, so that no request is harmed for ever. */
export class Harm {
  private readonly hostility: Hostility
  private readonly random: Random
  private readonly onAct: () => void
  private left: number

  constructor(hostility: Hostility, random: Random, onAct: () => void) {
    this.hostility = hostility
    this.random = random
    this.onAct = onAct
    this.left = hostility.actsPerRequest ?? 2
  }

  /** Whether this act happens now; it is counted if it does. */
  strikes(act: Exclude<keyof Hostility, 'rotatesEvery' | 'budgetMs' | 'actsPerRequest'>): boolean {
    if (this.left === 0 || !this.random.chance(this.hostility[act] ?? 0)) return false
    this.left--
    this.onAct()
    return true
  }

  delay(): Promise<void> {
    return turns(1 + this.random.below(LONGEST_DELAY))
  }
}

/** Resolves after so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}
