/** Which ways are run through how many cycles, how often, and why not more often. */
import type { Size } from '../cycles/run-way.ts'
import { WAYS, type WayName } from '../cycles/ways.ts'

export interface Measuring extends Size {
  /** Ways that are interleaved, so many rounds. */
  readonly groups: readonly (readonly [ways: readonly WayName[], rounds: number])[]
  /** In place of groups: runs one after another, each list on a processor of its own. */
  readonly lanes?: readonly (readonly WayName[])[]
  /** What is left out, or has fewer than five rounds. */
  readonly why?: string
}

export const ALL_WAYS = Object.keys(WAYS) as readonly WayName[]
const LINEAR: readonly WayName[] = ['plain, with the seam', 'durable, with the seam']
const QUADRATIC: readonly WayName[] = ['plain', 'durable, without the seam']
const KEPT_BY_SDK: readonly WayName[] = ['SessionManager, per message', 'checkpointing: true, with a SessionManager']
const BARS: readonly WayName[] = [...QUADRATIC, ...LINEAR]

const WHOLE: readonly Measuring[] = [
  { cycles: 50, resultBytes: 200, groups: [[ALL_WAYS, 5]] },
  {
    cycles: 500,
    resultBytes: 200,
    groups: [
      [BARS, 5],
      [KEPT_BY_SDK, 1],
    ],
    why: 'SessionManager and checkpointing have one round, as they take a minute for more and write a quarter of a gigabyte in each',
  },
  {
    cycles: 5_000,
    resultBytes: 200,
    groups: [],
    lanes: [
      ['plain', ...LINEAR, ...LINEAR],
      [...LINEAR, ...LINEAR, ...LINEAR, 'durable, without the seam'],
    ],
    why:
      'the bars without the seam are quadratic and take minutes: one round. Beside each of them the rounds of the others went ' +
      'on, on the second processor, so that every bar of this table has had a busy neighbour; the tables above were ' +
      'measured one run at a time. SessionManager and checkpointing would write tens of gigabytes, and are left out',
  },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 5]] },
  {
    cycles: 500,
    resultBytes: 4_000,
    groups: [
      [LINEAR, 5],
      [QUADRATIC, 1],
    ],
    why: 'the bars without the seam have one round, of some ten seconds each. SessionManager and checkpointing write gigabytes there, and are left out',
  },
  {
    cycles: 5_000,
    resultBytes: 4_000,
    groups: [[LINEAR, 1]],
    why: 'one round, for bytes and memory; the two bars without the seam are left out: they would take longer than the whole of the bench',
  },
]
const QUICKLY = 'one round (quick)'
const QUICK: readonly Measuring[] = [
  { cycles: 50, resultBytes: 200, groups: [[BARS, 1]], why: QUICKLY },
  { cycles: 200, resultBytes: 200, groups: [[BARS, 1]], why: QUICKLY },
  { cycles: 50, resultBytes: 4_000, groups: [[BARS, 1]], why: QUICKLY },
]

export const SIZES: { readonly quick: readonly Measuring[]; readonly whole: readonly Measuring[] } = {
  quick: QUICK,
  whole: WHOLE,
}
