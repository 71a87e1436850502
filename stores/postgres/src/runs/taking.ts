/**
 * Taking runs, and messages, where the answer to a commit can be lost: then they may be a worker's that does not know of it,
 * and nobody else would ever take what a live worker holds. So who takes next, here, first gives back what may be ours
 * without our knowledge. Until then that is due.
 */
import type { Database, Ring, Rows } from '../database.ts'

/** What a worker has by a fence. */
export interface Taken {
  readonly workerId: string
  readonly n: number
  readonly fence: number
}

/** `update … from (…) as mine`: the parameters $1 to $3 of a statement that gives back. */
export const MINE = 'unnest($1::text[], $2::bigint[], $3::int[]) as mine(owner, n, fence)'

export class Taking {
  readonly #database: Database
  readonly #giveBack: string
  #inDoubt: readonly Taken[] = []

  /** `giveBack`: a statement over `MINE` that makes due what these have, and nothing else. */
  constructor(database: Database, giveBack: string) {
    this.#database = database
    this.#giveBack = giveBack
  }

  get isInDoubt(): boolean {
    return this.#inDoubt.length > 0
  }

  /** `body` may run more than once; it puts all that it takes into `taken`. */
  async take<T>(ring: Ring, body: (rows: Rows, taken: Taken[]) => Promise<T>): Promise<T> {
    let inDoubt = this.#inDoubt
    this.#inDoubt = []
    try {
      return await this.#database.writeUntilKnown(async (rows) => {
        if (inDoubt.length > 0) await this.#return(rows, inDoubt)
        const taken: Taken[] = []
        const value = await body(rows, taken)
        inDoubt = [...inDoubt, ...taken]
        return value
      }, ring)
    } catch (error) {
      this.#inDoubt = [...this.#inDoubt, ...inDoubt]
      throw error
    }
  }

  #return(rows: Rows, taken: readonly Taken[]): Promise<number> {
    return rows.run(
      this.#giveBack,
      taken.map(({ workerId }) => workerId),
      taken.map(({ n }) => n),
      taken.map(({ fence }) => fence),
    )
  }
}
