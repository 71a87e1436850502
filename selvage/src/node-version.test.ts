import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { requireNode } from './node-version.ts'

const PACKAGE = join(import.meta.dirname, '..')

test.each(['22.13.0', '22.20.1', '23.0.0', '24.21.0'])('Node %s will do', (version) => {
  expect(() => requireNode(version)).not.toThrow()
})

test.each(['22.12.0', '20.20.2', '18.0.0', '4.9.1'])('Node %s is too old, says one sentence', (version) => {
  const message = expect.stringContaining(`Selvage needs Node 22.13 or newer; this is Node ${version}.`)
  expect(() => requireNode(version)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', message }))
})

test('is the version that package.json asks for', () => {
  const { engines } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  expect(engines.node).toBe('>=22.13')
})

/** Imports the built package in a Node that has no `node:sqlite` and calls itself `version`. */
function importing(file: string, version: string): string {
  const versions = `{ value: { ...process.versions, node: '${version}' } }`
  const pretence = `data:text/javascript,Object.defineProperty(process, 'versions', ${versions})`
  const script = `import(${JSON.stringify(join(PACKAGE, 'dist', file))}).catch((error) => console.log(error.message))`
  const args = ['--no-experimental-sqlite', '--import', pretence, '--eval', script]
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim()
}

test.each(['index.js', 'core.js'])('%s says so before anything else fails', (file) => {
  expect(importing(file, '20.11.0')).toMatch(/^Selvage needs Node 22\.13 or newer; this is Node 20\.11\.0\./)
})

test('a new Node that was told to do without SQLite is told that', () => {
  expect(importing('core.js', '24.0.0')).toContain('without --no-experimental-sqlite')
})
