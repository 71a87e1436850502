// The figures of all engines in docs/engines.md: npm run figures, or for some of them npm run figures -- restate dbos. What is
// not measured anew stays as it was (docs/figures.json). Linux only: memory is read from /proc.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import type { Figures } from './figures/measured.ts'

const root = join(import.meta.dirname, '..')
const recordsFile = join(root, 'docs/figures.json')
const page = join(root, 'docs/engines.md')
const BEGIN = '<!-- figures: written by npm run figures -->'
const END = '<!-- end of figures -->'

const ENGINES: { readonly [name: string]: string } = {
  sqlite: 'engines/embedded/test/figures-sqlite.ts',
  postgres: 'engines/embedded/test/figures-postgres.ts',
  restate: 'engines/restate/test/figures.ts',
  lambda: 'engines/lambda/test/figures.ts',
  dbos: 'engines/dbos/test/figures.ts',
}

export interface Kept {
  readonly [engine: string]: Figures & { readonly day: string; readonly cores: number; readonly load: number }
}

/** A column for each engine. */
export function tableOf(kept: Kept): string {
  const all = Object.keys(ENGINES).flatMap((name) => kept[name] ?? [])
  const row = (title: string, cell: (figures: Figures) => string): string =>
    `| ${title} | ${all.map(cell).join(' | ')} |`
  const ms = (figure: number): string => (figure < 10 ? figure.toFixed(2) : figure.toFixed(0))
  const notes = all.flatMap(({ note }) => note ?? [])
  const when = all.map(({ title, day, cores, load }) => `${title} on ${day}, ${cores} cores, load ${load}`)
  return [
    row('', ({ title, note }) => (note === undefined ? title : `${title} <sup>${notes.indexOf(note) + 1}</sup>`)),
    row('---', () => '---').replaceAll(' ', ''),
    row('a step in sequence', ({ stepMs }) => `${ms(stepMs)} ms`),
    row('the same, steps not named in its console', ({ unnamed }) => (unnamed ? `${ms(unnamed.stepMs)} ms` : '')),
    row('bytes of a small step', ({ stepBytes }) => String(stepBytes)),
    row('the same, not named', ({ unnamed }) => (unnamed ? String(unnamed.stepBytes) : '')),
    row('the next step after a kill -9, another worker being there', ({ resumeMs }) => `${resumeMs} ms`),
    row('memory of a worker', ({ workerMiB }) => `${workerMiB} MiB`),
    row('memory of the server, idle and after', ({ serverMiB }) =>
      serverMiB === undefined ? 'none' : `${serverMiB[0]}, ${serverMiB[1]} MiB`,
    ),
    '',
    ...notes.map((note, index) => `${index + 1}. ${note}`),
    '',
    `Measured: ${when.join('; ')}.`,
  ].join('\n')
}

/** What stands before the table, the table, and what stands behind it. */
export function partsOf(document: string): readonly [string, string, string] {
  const [before = '', rest = ''] = document.split(BEGIN)
  const [table = '', after = ''] = rest.split(END)
  return [before, table.trim(), after]
}

async function measured(name: string): Promise<Figures> {
  const file = ENGINES[name]
  if (file === undefined) throw new Error(`there is no engine ${name}: ${Object.keys(ENGINES).join(', ')}`)
  const args = [join(root, 'scripts/figures/measure.ts'), pathToFileURL(join(root, file)).href]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = (await text(child.stdout)).trim().split('\n')
  return JSON.parse(lines.at(-1) ?? '') as Figures
}

if (import.meta.main) {
  const asked = process.argv.slice(2)
  let kept: Kept = existsSync(recordsFile) ? JSON.parse(readFileSync(recordsFile, 'utf8')) : {}
  for (const name of asked.length === 0 ? Object.keys(ENGINES) : asked) {
    const figures = await measured(name)
    const load = Math.round(Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]))
    kept = { ...kept, [name]: { ...figures, day: new Date().toISOString().slice(0, 10), cores: cpus().length, load } }
    console.log(JSON.stringify(kept[name]))
    writeFileSync(recordsFile, `${JSON.stringify(kept, undefined, 2)}\n`)
  }
  const [before, , after] = partsOf(readFileSync(page, 'utf8'))
  writeFileSync(page, `${before}${BEGIN}\n\n${tableOf(kept)}\n\n${END}${after}`)
}
