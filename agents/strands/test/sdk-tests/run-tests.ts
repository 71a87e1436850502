/** One run of the laid-over tests. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Laid } from './lay-over.ts'
import type { Report, Result } from './reporter.ts'

export interface Results {
  /** By file and full name. */
  readonly tests: ReadonlyMap<string, Result>
  /** Errors that no test has caught. */
  readonly unhandled: readonly string[]
}

interface Run {
  /** The file in which gated agents are counted; without it no agent is gated. */
  readonly gates?: string
  /** Only these test files. */
  readonly files?: readonly string[]
  /** A run that takes longer is killed, and rejects. */
  readonly minutes: number
}

export async function runTests({ root, setupFiles }: Laid, { gates, files = [], minutes }: Run): Promise<Results> {
  const report = join(root, 'report.json')
  rmSync(report, { force: true })
  const vitest = join(import.meta.dirname, '../../../../node_modules/vitest/vitest.mjs')
  const config = join(import.meta.dirname, 'vitest.config.ts')
  const reporter = join(import.meta.dirname, 'reporter.ts')
  const { VITEST, VITEST_WORKER_ID, VITEST_POOL_ID, SELVAGE_SDK_GATES, ...env } = process.env
  const child = spawn(process.execPath, [vitest, 'run', ...files, '--config', config, '--reporter', reporter], {
    cwd: root,
    env: {
      ...env,
      SELVAGE_SDK_LAID: root,
      SELVAGE_SDK_SETUP: JSON.stringify(setupFiles),
      SELVAGE_SDK_REPORT: report,
      ...(gates !== undefined && { SELVAGE_SDK_GATES: gates }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: minutes * 60_000,
    killSignal: 'SIGKILL',
  })
  let said = ''
  const listen = (data: Buffer): void => {
    said = `${said}${data}`.slice(-20_000)
  }
  child.stdout.on('data', listen)
  child.stderr.on('data', listen)
  const signal = await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  child.stdout.destroy()
  child.stderr.destroy()
  if (signal !== null) throw new Error(`The tests did not end within ${minutes} minutes (--minutes).\n${said}`)
  if (!existsSync(report)) throw new Error(`The tests could not be run.\n${said}`)
  const { tests, unhandled } = JSON.parse(readFileSync(report, 'utf8')) as Report
  return { tests: new Map(tests), unhandled }
}
