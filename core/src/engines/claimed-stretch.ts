/**
 * A stretch on an engine that makes an attempt of an advance again, wherever a worker is, and does not say how many there
 * were. The first one that a process makes of a run is claimed before, in a place that counts: a process that died with it
 * counts as a crash (rule 9). The advances behind it are this process's own. Of runs whose process died so again and again a
 * process takes up one at a time: one of them may be what kills it, and takes none of the others along.
 */
import type { Signal } from '../journal/entry.ts'
import type { Advance, Host } from '../ports.ts'
import { probe } from '../probe.ts'
import { SUSPECT_CRASHES } from '../store.ts'
import type { Advanced } from './advanced.ts'
import type { Places } from './places.ts'
import type { Platform } from './platform.ts'
import { type Asking, type Before, type Ground, Stretch } from './stretch.ts'

/** What it needs of the worker that it is in. */
export interface Crew extends Ground {
  readonly host: Host
  readonly places: Places
  readonly platform: Platform
}

export interface Claimed {
  /** How many attempts have taken that advance up in a row, this one included: a lower bound. */
  readonly delivery: number
  /** Signals that are known where it was claimed. */
  readonly signals?: readonly Signal[]
}

const OWN: Claimed = { delivery: 1 }

export abstract class ClaimedStretch extends Stretch {
  /** What is asked for next was begun by no other process. */
  protected isClaimed = false
  private readonly crew: Crew

  constructor(runId: string, before: Before, crew: Crew) {
    super(runId, before, crew)
    this.crew = crew
  }

  /** `number`: of the advance in this stretch. */
  protected abstract claim(number: number): Promise<Claimed>
  /** The process lives, and has begun nothing or has failed: of the attempts in a row that were claimed so many stay. */
  protected abstract spare(left: number): Promise<void>

  /** An attempt, outside of the engine's view until it returns: another one may do the same again. */
  protected async attempt(request: Advance, number: number, how: Partial<Asking> = {}): Promise<Advanced> {
    const { host, places, platform } = this.crew
    try {
      const claimed = this.isClaimed ? OWN : await this.taken(number)
      const ask = (as: Claimed): Promise<Advanced> =>
        places.take(() => this.ask(host, request, { mayLive: platform.mayLive, ...as, ...how }))
      if (claimed.delivery <= SUSPECT_CRASHES) return await ask(claimed)
      // What only waits for its turn has begun nothing.
      this.isClaimed = false
      await this.spare(claimed.delivery - 1)
      return await places.alone(async () => ask(await this.taken(number)))
    } catch (error) {
      // What is taken back counts no more: the next attempt claims it again, so that its death is seen.
      this.isClaimed = false
      await this.spare(0).catch(() => {})
      throw error
    }
  }

  private async taken(number: number): Promise<Claimed> {
    const claimed = await this.claim(number)
    probe('engine.after-claim')
    this.isClaimed = true
    return claimed
  }

  override evict(): void {
    this.crew.host.evict(this.runId)
  }
}
