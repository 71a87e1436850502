/** A version of the SDK in a folder of its own. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

interface Install {
  /** Also what the SDK asks for only with some of its models and tools. */
  readonly withOptionalPeers?: boolean
  /** Tests in the folder find our vitest. */
  readonly withVitest?: boolean
}

const run = promisify(execFile)

/** Returns its node_modules. */
export async function installSdk(version: string, folder: string, install: Install = {}): Promise<string> {
  const prefix = join(folder, `sdk-${version}`)
  mkdirSync(prefix, { recursive: true })
  writeFileSync(join(prefix, 'package.json'), '{ "private": true }')
  const npm = async (...packages: string[]): Promise<void> => {
    await run('npm', ['install', '--prefix', prefix, '--no-audit', '--no-fund', '--ignore-scripts', ...packages], {
      cwd: prefix,
      // Else npm takes the folder for one of our workspaces.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
    })
  }
  await npm(`@strands-agents/sdk@${version}`, 'zod@4')
  const modules = join(prefix, 'node_modules')
  if (install.withOptionalPeers) {
    const { peerDependencies = {} } = JSON.parse(
      readFileSync(join(modules, '@strands-agents/sdk/package.json'), 'utf8'),
    ) as { peerDependencies?: { readonly [name: string]: string } }
    await npm(...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`))
  }
  if (install.withVitest)
    symlinkSync(join(import.meta.dirname, '../../../../node_modules/vitest'), join(modules, 'vitest'))
  return modules
}
