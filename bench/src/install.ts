/**
 * Brings peers, once each, in folders of their own: their packages never mix with ours. `npm ci` refuses a lock file that
 * lacks optional packages which a registry did not have when it was written (Vercel's, of cbor-extract, for other
 * machines); `npm install` takes the versions that the lock file names all the same.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { known, within } from './children.ts'

const PEERS = fileURLToPath(new URL('../peers/', import.meta.url))
const INSTALL_MS = 180_000
const installed = new Map<string, Promise<void>>()
const failures = new Map<string, string>()

export function peerFolder(name: string): string {
  return join(PEERS, name)
}

/** Rejects with the reason where it cannot be had. */
export function install(peer: string): Promise<void> {
  const before = installed.get(peer)
  if (before !== undefined) return before
  const now = isInstalled(peer) ? Promise.resolve() : bring(peer)
  installed.set(peer, now)
  now.catch((error: Error) => failures.set(peer, `**${peer}** could not be installed: ${error.message}.`))
  return now
}

/** A line for each peer that was asked for and cannot be had. */
export function notInstalled(): readonly string[] {
  return [...failures.values()]
}

/** `openworkflow 0.10.1, postgres 3.4.9`: what its package file asks for. */
export function versionsOf(peer: string): string {
  return Object.entries(dependenciesOf(peer))
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
}

/** What its package file asks for is there. */
export function isInstalled(peer: string): boolean {
  return Object.entries(dependenciesOf(peer)).every(([name, version]) => {
    const manifest = join(peerFolder(peer), 'node_modules', name, 'package.json')
    return (
      existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version === version
    )
  })
}

function dependenciesOf(peer: string): { readonly [name: string]: string } {
  const manifest = readFileSync(join(peerFolder(peer), 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { dependencies: { [name: string]: string } }).dependencies
}

async function bring(peer: string): Promise<void> {
  process.stdout.write(`Installing ${versionsOf(peer)}.\n`)
  if ((await npm(peer, 'ci')) === 0) return
  const code = await npm(peer, 'install', '--no-save')
  if (code !== 0) throw new Error(`npm ci and npm install in bench/peers/${peer} ended with code ${code}`)
}

async function npm(peer: string, ...what: readonly string[]): Promise<number | null> {
  const child = known(
    spawn('npm', [...what, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=silent'], {
      cwd: peerFolder(peer),
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    }),
  )
  const [code] = await within(INSTALL_MS, `npm ${what[0]} of ${peer}`, once(child, 'exit'))
  return code as number | null
}
