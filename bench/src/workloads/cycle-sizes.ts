/** Which ways are run through how many cycles, how often, and why not more often. */
import type { Size } from '../cycles/run-way.ts'
import { WAYS, type WayName } from '../cycles/ways.ts'

/** Ways that are interleaved at one size, so many rounds. */
export interface Rounds extends Size {
  readonly groups: readonly (readonly [ways: readonly WayName[], rounds: number])[]
  /** What is left out, or has fewer than five rounds. */
  readonly why?: string
}

/** Where one run takes minutes: runs one after another, each list on a processor of its own. */
export interface Lanes {
  readonly lanes: readonly (readonly Job[])[]
  /** The tables that come of it. */
  readonly sizes: readonly (Size & { readonly why: string })[]
}

export interface Job {
  readonly way: WayName
  readonly size: Size
}

export const ALL_WAYS = Object.keys(WAYS) as readonly WayName[]
const PLAIN: WayName = 'plain, with the seam'
const DURABLE: WayName = 'durable, with the seam'
const LINEAR: readonly WayName[] = [PLAIN, DURABLE]
const QUADRATIC: readonly WayName[] = ['plain', 'durable, without the seam']
const KEPT_BY_SDK: readonly WayName[] = ['SessionManager, per message', 'checkpointing: true, with a SessionManager']
/** In a quick run. */
export const KILLED_QUICKLY: readonly WayName[] = [DURABLE, 'SessionManager, per message']
const BARS: readonly WayName[] = [...QUADRATIC, ...LINEAR]

const LONG: Size = { cycles: 5_000, resultBytes: 200 }
const LONG_4K: Size = { cycles: 5_000, resultBytes: 4_000 }
const NEIGHBOUR =
  'Every run of this table has had a busy neighbour on the second processor, quadratic or linear; the tables of 50 and 500 ' +
  'cycles were measured one run at a time'

/** Runs of one size that alternate. */
const inTurn = (size: Size, ...ways: readonly WayName[]): readonly Job[] => ways.map((way) => ({ way, size }))

const WHOLE: readonly (Rounds | Lanes)[] = [
  { cycles: 50, resultBytes: 200, groups: [[ALL_WAYS, 5]] },
  { cycles: 500, resultBytes: 200, groups: [[BARS, 5]] },
  {
    // The quadratic bars at once, a processor each; then the linear ones. Two durable runs at once would share the disk.
    lanes: [
      [...inTurn(LONG, 'plain', ...Array<WayName>(5).fill(DURABLE)), ...inTurn(LONG_4K, DURABLE)],
      [...inTurn(LONG, 'durable, without the seam', ...Array<WayName>(8).fill(PLAIN)), ...inTurn(LONG_4K, PLAIN)],
    ],
    sizes: [
      {
        ...LONG,
        why:
          'the bars without the seam are quadratic and take minutes: they have one round, both at once, a processor each (five are in ' +
          'RESULTS-LONG.md). Then ' +
          `the others have theirs, a durable run beside one that is not, too. ${NEIGHBOUR}. SessionManager and checkpointing would write tens of ` +
          'gigabytes, and are left out',
      },
      {
        ...LONG_4K,
        why:
          'one round, for bytes and memory, both bars at once; the two bars without the seam take longer than at 200 B, minutes ' +
          'each: they are left to `--long=<minutes>`',
      },
    ],
  },
  { cycles: 50, resultBytes: 4_000, groups: [[ALL_WAYS, 5]] },
  {
    cycles: 500,
    resultBytes: 4_000,
    groups: [[BARS, 5]],
    why: 'SessionManager and checkpointing write gigabytes there, and are left out',
  },
  // Last: a round writes three quarters of a gigabyte, and takes as long as all that the others do at this size.
  {
    cycles: 500,
    resultBytes: 200,
    groups: [[KEPT_BY_SDK, 5]],
    why:
      'SessionManager and checkpointing have their rounds behind all other sizes, as each of them writes hundreds of megabytes: their ' +
      '*× plain* is to rounds that were measured minutes before',
  },
]
const QUICKLY = 'one round (quick)'
const QUICK: readonly (Rounds | Lanes)[] = [
  { cycles: 50, resultBytes: 200, groups: [[ALL_WAYS, 1]], why: QUICKLY },
  { cycles: 200, resultBytes: 200, groups: [[BARS, 1]], why: QUICKLY },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 1]], why: QUICKLY },
]

/** One round of all bars: the quadratic ones at once, a processor each, then the linear ones. */
const roundOf = (size: Size): readonly Lanes[] => {
  const sizes = [
    { ...size, why: 'two runs at a time, a processor each: the bars without the seam, then those with it' },
  ]
  return [
    { lanes: [inTurn(size, 'plain'), inTurn(size, 'durable, without the seam')], sizes },
    { lanes: [inTurn(size, DURABLE), inTurn(size, PLAIN)], sizes },
  ]
}

const ROUNDS = 5

export const SIZES: { readonly [mode in 'quick' | 'whole' | 'long']: readonly (Rounds | Lanes)[] } = {
  quick: QUICK,
  whole: WHOLE,
  long: [LONG, LONG_4K].flatMap((size) => Array.from({ length: ROUNDS }, () => roundOf(size)).flat()),
}
