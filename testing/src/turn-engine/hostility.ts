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
  /** Before a step begins its worker cannot tell for a while whether the run is still its own. */
  readonly doubts?: number
  /** Rotation is asked for after so many advances of a generation. */
  readonly rotatesEvery?: number
  /** Milliseconds after which an advance is asked to return. */
  readonly budgetMs?: number
  /**
   * An engine that only harms cannot be told from one that is broken: acts before the journal grows again, at most.
   * Default 2: six deliveries would look like a program that kills its process.
   */
  readonly actsPerEntry?: number
}

type Act = Exclude<keyof Hostility, 'doubts' | 'rotatesEvery' | 'budgetMs' | 'actsPerEntry'>

/** Turns of the event loop that a delay may take. */
const LONGEST_DELAY = 12
/** After so many claims in a row nothing more is done: an act costs two at most (one that comes late, and who lost it). */
const MOST_CLAIMS = 2

/** What was done to a run, as lengths of its journal at that time. */
export interface Harmed {
  readonly harmed: number[]
  readonly entries: { readonly length: number }
  /** Of a store: in a row, without a reply and at one length of the journal. */
  readonly claims: number
}

/** Draws what happens next to a run. */
export class Harm {
  private readonly hostility: Hostility
  private readonly random: Random
  private readonly run: Harmed
  private at = -1
  private left = 0

  constructor(hostility: Hostility, random: Random, run: Harmed) {
    this.hostility = hostility
    this.random = random
    this.run = run
  }

  /** Whether this act happens now; it is counted if it does. */
  strikes(act: Act): boolean {
    return this.isDrawn(act) && this.counted()
  }

  /** The same after a delay: it counts where it lands, and does not happen where enough has been done by then. */
  async strikesLater(act: Act): Promise<boolean> {
    if (!this.isDrawn(act)) return false
    await this.delay()
    return this.counted()
  }

  delay(): Promise<void> {
    return turns(1 + this.random.below(LONGEST_DELAY))
  }

  private isDrawn(act: Act): boolean {
    return this.random.chance(this.hostility[act] ?? 0)
  }

  private counted(): boolean {
    const { length } = this.run.entries
    if (this.at !== length) {
      this.at = length
      this.left = this.hostility.actsPerEntry ?? 2
    }
    if (this.left === 0 || this.run.claims > MOST_CLAIMS) return false
    this.left--
    this.run.harmed.push(length)
    return true
  }
}

/** Resolves after so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}
