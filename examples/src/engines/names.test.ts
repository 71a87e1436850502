/** No program, example or test of an agent knows its engine: one is named where Selvage is opened, and nowhere else. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const NAMES = /restate|lambda|dbos|postgres|sqlite|embeddedEngine/i
/** The line that chooses: what is handed in, or the address of a database. */
const CHOOSES = /openSelvage\(|`sqlite:\$\{/
/** Here there is one file for each engine, which is that line and what it needs; the program that they share is analysis.ts. */
const OF_ENGINES = 'examples/src/engines/'

it('only the line that opens Selvage names an engine', () => {
  const files = globSync(['examples/src/**/*.ts', 'testing-agents/src/**/*.ts', 'agents/*/{src,test}/**/*.ts'], {
    cwd: root,
  }).filter((file) => !file.startsWith(OF_ENGINES) || file === `${OF_ENGINES}analysis.ts`)
  expect(files.length).toBeGreaterThan(50)
  const named = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (NAMES.test(line) && !CHOOSES.test(line) ? [`${file}:${index + 1}: ${line}`] : [])),
  )
  expect(named).toEqual([])
})
