/**
 * `npm run mutations`: applies each deliberate breakage and runs the test that it names, which must turn red; then the
 * same tests without any, which must be green. Exit code 1 if a breakage went unnoticed. Behind it, a part of a name, or of
 * the path of what is broken, chooses: `npm run mutations -- agents/strands`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MUTATIONS } from './list.ts'
import type { Mutation } from './mutation.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')
const folder = mkdtempSync(join(tmpdir(), 'selvage-mutations-'))

interface Report {
  readonly success: boolean
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** `ended`: whether the tests came to their end. A breakage may also end the process that runs them. */
function run(mutation: Mutation, broken: boolean): { passed: number; failed: number; ended: boolean } {
  const output = join(folder, 'report.json')
  const pattern = mutation.title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const args = [VITEST, 'run', mutation.test, '-t', pattern, '--reporter=json', `--outputFile=${output}`]
  const { SELVAGE_MUTATION: _, ...env } = process.env
  const imports = mutation.processes ? { NODE_OPTIONS: `--import ${import.meta.resolve('./processes.ts')}` } : {}
  spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: broken ? { ...env, ...imports, SELVAGE_MUTATION: mutation.name } : env,
    stdio: 'ignore',
    timeout: 300_000,
  })
  const report = JSON.parse(readFileSync(output, 'utf8')) as Report
  rmSync(output)
  const results = report.testResults.flatMap((file) => file.assertionResults)
  const count = (status: string): number => results.filter((each) => each.status === status).length
  return { passed: count('passed'), failed: count('failed'), ended: report.success || count('failed') > 0 }
}

const only = process.argv.slice(2).join(' ')
let unnoticed = 0
const mutations = MUTATIONS.filter(({ name, file }) => name.includes(only) || file.includes(only))
for (const mutation of mutations) {
  const whole = run(mutation, false)
  const broken = run(mutation, true)
  const noticed = whole.failed === 0 && whole.passed > 0 && (broken.failed > 0 || !broken.ended)
  if (!noticed) unnoticed++
  const verdict = noticed
    ? 'red, as it must be'
    : whole.passed === 0
      ? 'NO SUCH TEST'
      : whole.failed > 0
        ? 'RED WITHOUT IT'
        : 'UNNOTICED'
  console.log(`${verdict.padEnd(20)} ${mutation.breaks.padEnd(6)} ${mutation.name}`)
  console.log(`${' '.repeat(27)} ${mutation.test} › ${mutation.title}`)
}
rmSync(folder, { recursive: true })
console.log(`${mutations.length} breakages, ${unnoticed} unnoticed`)
process.exitCode = unnoticed === 0 ? 0 : 1
