/**
 * The tests of this package, its contract with the SDK (seams.test.ts) among them, against any versions of the SDK:
 *
 *   npm run -w @selvage/strands any-sdk -- 1.16.0 latest
 *
 * Each is installed into a temporary folder. What is no version chooses test files: `any-sdk -- 1.16.0 seams`.
 * Exit code 1 if any test of any version fails.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { installSdk } from './install.ts'

const { positionals } = parseArgs({ allowPositionals: true })
const versions = positionals.filter(isVersion)
const filters = positionals.filter((each) => !isVersion(each))
if (versions.length === 0) throw new Error('Name at least one version of the SDK: any-sdk -- 1.16.0 latest')

const repository = join(import.meta.dirname, '../../../..')
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'selvage-any-sdk-')))
const failed: string[] = []
try {
  for (const version of versions) {
    const modules = await installSdk(version, folder)
    if ((await test(dirname(modules))) !== 0) failed.push(version)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const version of versions) console.log(`${version}: ${failed.includes(version) ? 'FAILED' : 'passed'}`)
process.exitCode = failed.length === 0 ? 0 : 1

function isVersion(given: string): boolean {
  return /^(\d+\.|latest$|next$)/.test(given)
}

async function test(sdk: string): Promise<number | null> {
  const args = ['run', ...filters, '--config', join(import.meta.dirname, 'vitest.config.ts')]
  const child = spawn(process.execPath, [join(repository, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: repository,
    env: { ...process.env, STRANDS_SDK: sdk },
    stdio: 'inherit',
  })
  return await new Promise((resolve) => child.once('close', resolve))
}
