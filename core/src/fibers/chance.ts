/**
 * Chance and ids of a run: drawn from its salt, so that a replay draws the same. What hashes and chance of a fork follow from
 * where they must be those of the original, as long as a replaying fork is still where its original has been.
 */
import { deriveId, seededRandom } from '../journal/keys.ts'
import type { Fiber } from './fiber.ts'

interface Origin {
  readonly salt: string
  readonly runId: string
}

export class Chance {
  private readonly fiber: Fiber
  /** By stream. */
  private readonly draws = new Map<string, number>()

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  /** In [0, 1). */
  random(stream: string): number {
    const draw = this.draws.get(stream) ?? 0
    this.draws.set(stream, draw + 1)
    const { salt, runId } = this.fiber.isInPrefix ? this.origin : this.own
    return seededRandom(this.fiber.env.runtime, salt, `${runId}/${stream}`, draw)
  }

  id(prefix: string, label: string): string {
    const isUnique = prefix !== '' || (label.startsWith('uuid:') && !this.fiber.isInPrefix)
    const { salt, runId } = isUnique ? this.own : this.origin
    return deriveId(this.fiber.env.runtime, salt, runId, prefix, label)
  }

  private get own(): Origin {
    return { salt: this.fiber.known.salt, runId: this.fiber.runId }
  }

  private get origin(): Origin {
    return this.fiber.start.forkedFrom ?? this.own
  }
}
