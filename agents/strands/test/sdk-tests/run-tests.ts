/** One run of the laid-over tests. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'

export interface Result {
  readonly status: string
  readonly message: string
}

/** By file and full title. */
export type Results = ReadonlyMap<string, Result>

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[] | null
    }[]
  }[]
}

/** `gates`: the file in which gated agents are counted; without it no agent is gated. `files`: only these. */
export async function runTests(root: string, gates?: string, files: readonly string[] = []): Promise<Results> {
  const report = join(root, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(import.meta.dirname, '../../../../node_modules/vitest/vitest.mjs')
  const config = join(import.meta.dirname, 'vitest.config.ts')
  const args = [vitest, 'run', ...files, '--config', config, '--reporter', 'json', '--outputFile', report]
  const { VITEST, VITEST_WORKER_ID, VITEST_POOL_ID, SELVAGE_SDK_GATES, ...env } = process.env
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...env, SELVAGE_SDK_LAID: root, ...(gates !== undefined && { SELVAGE_SDK_GATES: gates }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
  })
  child.stderr.on('data', (data) => {
    said += data
  })
  await new Promise((resolve) => child.once('close', resolve))
  if (!existsSync(report)) throw new Error(`The tests could not be run.\n${said}`)
  return resultsOf(JSON.parse(readFileSync(report, 'utf8')) as Report, root)
}

function resultsOf({ testResults }: Report, root: string): Results {
  const results = new Map<string, Result>()
  for (const { name, message, assertionResults } of testResults) {
    const file = relative(root, name)
    if (assertionResults.length === 0) results.set(file, { status: 'failed', message: message ?? 'It has no tests.' })
    for (const { fullName, status, failureMessages } of assertionResults) {
      let test = `${file} > ${fullName}`
      for (let n = 2; results.has(test); n++) test = `${file} > ${fullName} #${n}`
      results.set(test, { status, message: failureMessages?.[0] ?? '' })
    }
  }
  return results
}
