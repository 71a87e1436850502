/** The ways beside each other at one size: as a table, as bars, and what of it is stored. */
import type { MessageBytes } from '../cycles/message-bytes.ts'
import type { Ran, Size } from '../cycles/run-way.ts'
import type { WayName } from '../cycles/ways.ts'
import { type Bar, bars, type Plot } from '../plot.ts'
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import { median, spread } from '../statistics.ts'
import { ALL_WAYS } from './cycle-sizes.ts'
import type { Found } from './measure-ways.ts'

type Runs = ReadonlyMap<WayName, readonly Ran[]>

const DURABLE = 'durable, with the seam'
const PROMISED_BYTES: { readonly [resultBytes: number]: number } = { 200: 1.3, 4000: 1.1 }

export function labelOf({ cycles, resultBytes }: Size): string {
  return `${figure(cycles)} cycles, results of ${figure(resultBytes)} B`
}

export function cyclesTable({ size, runs }: Found): Table {
  const rows = waysIn(runs).map(([way, own]) => {
    const of = (part: (ran: Ran) => number | undefined): string => {
      const values = own.map(part).filter((value) => value !== undefined)
      return values.length === 0 ? '' : figure(median(values))
    }
    return [
      way,
      withQuartiles(spread(own.map(({ ms }) => ms))),
      runs.has('plain') ? (timeOf(runs, way) / timeOf(runs, 'plain')).toFixed(3) : '',
      figure((timeOf(runs, way) / size.cycles) * 1_000),
      of(({ written }) => written && Math.round(written / 1_024)),
      of(({ pages }) => pages),
      of(({ peakMiB }) => peakMiB),
      figure(own.length),
    ]
  })
  return {
    caption: `**${labelOf(size)}**`,
    head: ['', 'ms', '× plain', 'µs a cycle', 'KiB written', 'database pages', 'peak MiB', 'rounds'],
    rows,
  }
}

/** With a prefix both sizes of results have a file of their own. */
export function cyclesPlot({ size, runs }: Found, prefix?: string): Plot {
  const name = `cycles-${size.cycles}`
  return bars({
    file: prefix === undefined ? `${name}.svg` : `${prefix}${name}-${size.resultBytes}.svg`,
    title: `${labelOf(size)}: milliseconds`,
    bars: waysIn(runs).map(([way, own]): Bar => {
      const { median, low, high } = spread(own.map(({ ms }) => ms))
      const kind = way.startsWith('durable') ? 'ours' : way.startsWith('plain') ? 'floor' : 'peer'
      return { label: way, value: median, low, high, kind }
    }),
  })
}

/** Of the plain SDK's time, for the durable agent; NaN where one of them was not measured. */
export function shareOfPlain(runs: Runs): number {
  return timeOf(runs, DURABLE) / timeOf(runs, 'plain')
}

/** The database of the durable agent beside the messages that it is about. Sizes do not vary from run to run. */
export function storedTable(all: readonly Found[]): Table {
  const rows = all.map((found) => {
    const stored = storedIn(found)
    return [
      labelOf(found.size),
      figure(2 * found.size.cycles + 2),
      figure(stored.whole / 1_024),
      figure(stored.fileBytes / 1_024),
      ...[stored.ratio, stored.fileBytes / stored.untracked].map((ratio) =>
        Number.isNaN(ratio) ? '–' : ratio.toFixed(3),
      ),
    ]
  })
  const head = ['', 'messages', 'messages KiB', 'file KiB', 'ratio', 'ratio, without tracking ids']
  return { caption: '**Stored bytes**', head, rows }
}

/** From 500 cycles on: below, most of the file is its schema. */
export function storedVerdicts(all: readonly Found[]): readonly Verdict[] {
  return all
    .filter(({ size }) => size.cycles >= 500)
    .map((found) => {
      const { cycles, resultBytes } = found.size
      const { ratio } = storedIn(found)
      const promised = PROMISED_BYTES[resultBytes] ?? 0
      return {
        what: `stored bytes, ${figure(cycles)} cycles, ${figure(resultBytes)} B`,
        promised: `≤ ${promised} × messages`,
        measured: ratio.toFixed(3),
        kept: ratio <= promised,
        why: Number.isNaN(ratio)
          ? 'the durable agent was not measured'
          : 'schema, indexes and the row of the run are in the file, too, and each entry has a head of its own beside its message',
      }
    })
}

interface Stored extends MessageBytes {
  readonly fileBytes: number
  readonly ratio: number
}

function storedIn({ runs }: Found): Stored {
  const { messageBytes, fileBytes = Number.NaN } = runs.get(DURABLE)?.[0] ?? {}
  const { whole, untracked } = messageBytes ?? { whole: Number.NaN, untracked: Number.NaN }
  return { whole, untracked, fileBytes, ratio: fileBytes / whole }
}

function waysIn(runs: Runs): (readonly [WayName, readonly Ran[]])[] {
  return ALL_WAYS.flatMap((way) => {
    const own = runs.get(way)
    return own === undefined ? [] : [[way, own] as const]
  })
}

/** Milliseconds, the median; NaN where it was not measured. */
export function timeOf(runs: Runs, way: WayName): number {
  return median((runs.get(way) ?? []).map(({ ms }) => ms))
}
