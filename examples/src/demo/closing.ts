/** The last page of the demo: the report, and the figures as a table. */
import type { CallFigures, EffectFigures, Figures } from './figures.ts'
import type { Strike } from './orchestrator.ts'
import { paint, print, seconds } from './timeline.ts'

const NAME_WIDTH = 26
const WIDTH = 12

export function printFigures(figures: Figures, strikes: readonly Strike[]): void {
  heading('', 'recorded', 'called', 'repeated', 'wasted', 'lost')
  callRow('model calls', figures.models)
  callRow('tool calls', figures.tools)
  print()
  heading('', 'recorded', 'asked for', 'repeated', 'applied', 'twice', 'lost')
  effectRow('findings in the ledger', figures.findings)
  effectRow('reports published', figures.publications)
  print()
  print(
    `  ${paint('gray', 'repeated: cut off by a kill before the result was durable, and made again with the same key')}`,
  )
  print(`  ${paint('gray', 'wasted: made again although the result was durable, or although nobody was killed')}`)
  print()
  const took = strikes.flatMap((strike) => (strike.takeOverMs === undefined ? [] : [strike.takeOverMs]))
  const worst = took.length === 0 ? '' : `; taken over after ${took.map(seconds).join(', ')}`
  print(`  SIGKILLs: ${strikes.filter((strike) => strike.signal === 'SIGKILL').length}${worst}`)
}

function callRow(name: string, { recorded, made, repeated, wasted, lost }: CallFigures): void {
  row(name, [recorded, made, repeated], [wasted, lost])
}

function effectRow(name: string, { recorded, asked, repeated, applied, twice, lost }: EffectFigures): void {
  row(name, [recorded, asked, repeated, applied], [twice, lost])
}

function heading(name: string, ...columns: readonly string[]): void {
  print(`  ${paint('gray', name.padEnd(NAME_WIDTH) + columns.map((column) => column.padStart(WIDTH)).join(''))}`)
}

/** Columns of `zeros` must be 0. */
function row(name: string, counts: readonly number[], zeros: readonly number[]): void {
  const plain = counts.map((count) => String(count).padStart(WIDTH)).join('')
  const judged = zeros.map((count) => paint(count === 0 ? 'green' : 'red', String(count).padStart(WIDTH))).join('')
  print(`  ${name.padEnd(NAME_WIDTH)}${plain}${judged}`)
}
