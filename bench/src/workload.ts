import type { Section } from './report.ts'

export interface Options {
  /** Fewer rounds and smaller sizes, for a look in between. */
  readonly quick: boolean
  /** By the name of a contender. */
  readonly takesPart: (name: string) => boolean
  /** Of the whole run: what would end after it is left out, and named. By `performance.now()`. */
  readonly until: number
}

export interface Workload {
  readonly name: string
  measure(options: Options): Promise<Section>
}
