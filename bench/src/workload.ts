import type { Section } from './report.ts'

export interface Setting {
  /** Fewer rounds and smaller sizes, for a look in between. */
  readonly quick: boolean
  /** By the name of a contender. */
  readonly takesPart: (name: string) => boolean
}

export interface Options extends Setting {
  /** By `performance.now()`. What has not begun until then is left out, and named. */
  readonly until: number
  /** What has begun may last until then. */
  readonly patience: number
  /** What there is so far: the results show it if the rest fails. */
  readonly save: (section: Section) => void
}

/** For a part of a workload: it begins nothing more when that share of the time that is left is over. */
export function withShare(options: Options, share: number): Options {
  const now = performance.now()
  return { ...options, until: now + share * (options.until - now) }
}

export type Measure = (options: Options) => Promise<Section>

export interface Workload {
  readonly name: string
  /** Peers take part, and need to be there. */
  readonly besidePeers?: true
  /** Some of them need servers, which run for as long as a section to come needs them: they are never quite idle. */
  readonly withServers?: true
  /**
   * Makes what is measured later and is not timed itself: databases, runs that were killed. Those of all workloads are made
   * at once, before anything is timed.
   */
  prepare?(setting: Setting): Promise<Measure>
  /** In place of `prepare`. */
  readonly measure?: Measure
}
