/** The ways beside each other at one size: as a table, as bars, and what of it is stored. */
import type { Ran, Size } from '../cycles/run-way.ts'
import type { WayName } from '../cycles/ways.ts'
import { type Bar, bars, type Plot } from '../plot.ts'
import { figure, type Table, type Verdict, withQuartiles } from '../report.ts'
import { median, spread } from '../statistics.ts'
import { ALL_WAYS } from './cycle-sizes.ts'

type Runs = ReadonlyMap<WayName, readonly Ran[]>

const DURABLE = 'durable, with the seam'
const PROMISED_BYTES: { readonly [resultBytes: number]: number } = { 200: 1.3, 4000: 1.1 }

export function labelOf({ cycles, resultBytes }: Size): string {
  return `${figure(cycles)} cycles, results of ${figure(resultBytes)} B`
}

export function cyclesTable(size: Size, runs: Runs): Table {
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

export function cyclesPlot(size: Size, runs: Runs): Plot {
  return bars({
    file: `cycles-${size.cycles}.svg`,
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
export function storedRow(
  size: Size,
  runs: Runs,
): { readonly row: readonly string[]; readonly verdicts: Verdict[] } | undefined {
  const { messageBytes, fileBytes } = runs.get(DURABLE)?.[0] ?? {}
  if (messageBytes === undefined || fileBytes === undefined) return undefined
  const ratio = fileBytes / messageBytes
  const promised = PROMISED_BYTES[size.resultBytes] ?? 0
  const verdict: Verdict = {
    what: `stored bytes, ${figure(size.cycles)} cycles, ${figure(size.resultBytes)} B`,
    promised: `≤ ${promised} × messages`,
    measured: ratio.toFixed(3),
    kept: ratio <= promised,
    why: 'the file has schema, indexes and the row of the run in it besides, which weigh the more the fewer messages there are',
  }
  return {
    row: [
      labelOf(size),
      figure(2 * size.cycles + 2),
      figure(messageBytes / 1_024),
      figure(fileBytes / 1_024),
      ratio.toFixed(3),
    ],
    // Below, most of the file is its schema.
    verdicts: size.cycles < 500 ? [] : [verdict],
  }
}

function waysIn(runs: Runs): (readonly [WayName, readonly Ran[]])[] {
  return ALL_WAYS.flatMap((way) => {
    const own = runs.get(way)
    return own === undefined ? [] : [[way, own] as const]
  })
}

function timeOf(runs: Runs, way: WayName): number {
  return median((runs.get(way) ?? []).map(({ ms }) => ms))
}
