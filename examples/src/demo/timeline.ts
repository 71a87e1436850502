/** What happens, a line at a time, for people. Colours only on a terminal that wants them. */
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

const LABEL_WIDTH = 10

export type Label =
  | 'begins'
  | 'executed'
  | 'again'
  | 'recovered'
  | 'reconciled'
  | 'SIGKILL'
  | 'worker'
  | 'question'
  | 'answer'
  | 'done'
  | 'says'

const FORMATS: { readonly [label in Label]: Format } = {
  begins: 'bold',
  executed: 'green',
  again: 'yellow',
  recovered: 'cyan',
  reconciled: 'cyan',
  SIGKILL: ['red', 'bold'],
  worker: 'blue',
  question: 'magenta',
  answer: 'magenta',
  done: 'bold',
  says: 'gray',
}

export function paint(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout, validateStream: true })
}

export class Timeline {
  readonly #begin = Date.now()

  line(label: Label, text: string): void {
    const seconds = ((Date.now() - this.#begin) / 1_000).toFixed(2).padStart(6)
    const padded = label.padEnd(LABEL_WIDTH)
    print(`${paint('gray', `${seconds}s`)}  ${paint(FORMATS[label], padded)}  ${text}`)
  }
}

export function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
