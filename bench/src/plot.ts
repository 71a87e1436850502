/**
 * Bars as SVG, by hand: a title, a bar for each contender on a logarithmic or linear scale, its figure, and the quartiles
 * as a line. Colours follow the reader's light or dark scheme.
 */
import { figure } from './report.ts'

export interface Plot {
  /** In bench/plots. */
  readonly file: string
  readonly title: string
  readonly svg: string
}

export interface Bar {
  readonly label: string
  readonly value: number
  /** Quartiles. */
  readonly low?: number
  readonly high?: number
  readonly kind: 'ours' | 'peer' | 'floor'
  /** Some room lies before it. */
  readonly beginsGroup?: boolean
}

export interface Bars {
  readonly file: string
  readonly title: string
  readonly bars: readonly Bar[]
  /** Behind each figure. */
  readonly unit?: string
  /** Logarithmic unless the values are near to each other. */
  readonly scale?: 'log' | 'linear'
}

const WIDTH = 800
const LABEL = 290
const FIGURE = 90
const ROW = 26
const BAR = 16
const GAP = 14
const TOP = 44
const SPACE: number = WIDTH - LABEL - FIGURE

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 14px }
    .label { text-anchor: end }
    .ours { fill: #0a7d5a } .peer { fill: #8c959f } .floor { fill: #c9a227 }
    .quartiles { stroke: #1f2328; stroke-width: 1.5 }
    .tick { stroke: #1f2328; stroke-opacity: 0.15 }
    .small { font-size: 11px; fill-opacity: 0.7; text-anchor: middle }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .ours { fill: #3fb98a } .peer { fill: #768390 } .floor { fill: #d9b84a }
      .quartiles, .tick { stroke: #e6edf3 }
    }`

export function bars({ file, title, bars, unit = '', scale }: Bars): Plot {
  const values = bars.flatMap(({ value, low = value, high = value }) => [value, low, high]).filter((each) => each > 0)
  const max = Math.max(...values, 1e-9)
  const min = Math.min(...values, max)
  const log = scale === 'log' || (scale === undefined && max / min > 20)
  const from = log ? 10 ** Math.floor(Math.log10(min) - 0.01) : 0
  const x = (value: number): number => {
    if (!log) return (value / max) * SPACE
    return value <= from ? 0 : (Math.log10(value / from) / Math.log10(max / from)) * SPACE
  }
  const gaps = (until: number): number => GAP * bars.slice(0, until).filter(({ beginsGroup }) => beginsGroup).length
  const height = TOP + bars.length * ROW + gaps(bars.length) + 24
  const ticks = log ? powers(from, max) : [0, max / 2, max]
  const parts = [
    `<text class="title" x="8" y="20">${escaped(title)}${log ? ' (logarithmic)' : ''}</text>`,
    ...ticks.map((tick) => tickAt(LABEL + x(tick), tick, height)),
    ...bars.map((bar, index) => row(bar, TOP + index * ROW + gaps(index + 1), x, unit)),
  ]
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
  <style>${STYLE}
  </style>
  ${parts.join('\n  ')}
</svg>
`
  return { file, title, svg }
}

function row({ label, value, low, high, kind }: Bar, y: number, x: (value: number) => number, unit: string): string {
  const end = LABEL + x(value)
  const middle = y + BAR / 2
  const spread =
    low === undefined || high === undefined
      ? ''
      : `<line class="quartiles" x1="${round(LABEL + x(low))}" x2="${round(LABEL + x(high))}" y1="${middle}" y2="${middle}"/>`
  const right = Math.max(end, LABEL + x(high ?? value))
  return [
    `<text class="label" x="${LABEL - 8}" y="${y + 13}">${escaped(label)}</text>`,
    `<rect class="${kind}" x="${LABEL}" y="${y}" width="${round(Math.max(1, end - LABEL))}" height="${BAR}" rx="2"/>`,
    spread,
    `<text x="${round(right + 6)}" y="${y + 13}">${escaped(figure(value) + unit)}</text>`,
  ].join('')
}

function tickAt(x: number, value: number, height: number): string {
  const bottom = height - 20
  return (
    `<line class="tick" x1="${round(x)}" x2="${round(x)}" y1="${TOP - 8}" y2="${bottom}"/>` +
    `<text class="small" x="${round(x)}" y="${bottom + 14}">${escaped(short(value))}</text>`
  )
}

function powers(from: number, max: number): number[] {
  const ticks: number[] = []
  for (let tick = from; tick <= max * 1.0001; tick *= 10) ticks.push(tick)
  return ticks
}

function short(value: number): string {
  return value >= 1 ? Number(value.toPrecision(2)).toLocaleString('en') : String(Number(value.toPrecision(2)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('`', '')
}
