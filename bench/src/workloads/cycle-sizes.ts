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
const LINEAR: readonly WayName[] = ['plain, with the seam', 'durable, with the seam']
const QUADRATIC: readonly WayName[] = ['plain', 'durable, without the seam']
const KEPT_BY_SDK: readonly WayName[] = ['SessionManager, per message', 'checkpointing: true, with a SessionManager']
const BARS: readonly WayName[] = [...QUADRATIC, ...LINEAR]

const LONG: Size = { cycles: 5_000, resultBytes: 200 }
const LONG_4K: Size = { cycles: 5_000, resultBytes: 4_000 }
const linear = (size: Size): readonly Job[] => LINEAR.map((way) => ({ way, size }))
const NEIGHBOUR =
  'Every bar of this table has had a busy neighbour on the second processor; the tables above were measured one run at a time'

const WHOLE: readonly (Rounds | Lanes)[] = [
  { cycles: 50, resultBytes: 200, groups: [[ALL_WAYS, 5]] },
  {
    cycles: 500,
    resultBytes: 200,
    groups: [[BARS, 5]],
  },
  {
    lanes: [
      [{ way: 'plain', size: LONG }, ...linear(LONG), ...linear(LONG), ...linear(LONG_4K)],
      [...linear(LONG), ...linear(LONG), ...linear(LONG), { way: 'durable, without the seam', size: LONG }],
    ],
    sizes: [
      {
        ...LONG,
        why:
          'the bars without the seam are quadratic and take minutes: one round, and the rounds of the others beside them. ' +
          `${NEIGHBOUR}. SessionManager and checkpointing would write tens of gigabytes, and are left out`,
      },
      {
        ...LONG_4K,
        why:
          'one round, for bytes and memory; the two bars without the seam are left out: they would take longer than the ' +
          `whole of the bench. ${NEIGHBOUR}`,
      },
    ],
  },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 5]] },
  {
    cycles: 500,
    resultBytes: 4_000,
    groups: [
      [LINEAR, 5],
      [QUADRATIC, 1],
    ],
    why:
      'the bars without the seam have one round, of some ten seconds each. SessionManager and checkpointing write gigabytes ' +
      'there, and are left out',
  },
  {
    cycles: 500,
    resultBytes: 200,
    groups: [[KEPT_BY_SDK, 1]],
    why: 'one round, as they take a minute for more, and write a quarter of a gigabyte in each',
  },
]
const QUICKLY = 'one round (quick)'
const QUICK: readonly (Rounds | Lanes)[] = [
  { cycles: 50, resultBytes: 200, groups: [[BARS, 1]], why: QUICKLY },
  { cycles: 200, resultBytes: 200, groups: [[BARS, 1]], why: QUICKLY },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 1]], why: QUICKLY },
]

export const SIZES: { readonly quick: typeof QUICK; readonly whole: typeof WHOLE } = { quick: QUICK, whole: WHOLE }
