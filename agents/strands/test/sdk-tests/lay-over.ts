/** The unit tests of a checkout over the code of a published package, in a folder of their own. */
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Where the sources lie: the repository has held the package at its root and in a folder. */
const PLACES = ['src', 'strands-ts/src']
/** Tests and what they share lie in folders of these names, beside the sources; `testing` is in no package so far. */
const FOLDERS = /(^|\/)(__tests__|__fixtures__|testing)(\/|$)/
const ELSEWHERE = /\.(test\.browser|test-d)\.ts$/

/** The folder of the SDK's sources in a checkout; undefined where there is none. */
export function sourcesOf(checkout: string): string | undefined {
  return PLACES.map((place) => join(checkout, place)).find((folder) => existsSync(join(folder, 'agent/__tests__')))
}

export interface Package {
  /** The package itself. */
  readonly folder: string
  /** The node_modules in which it finds what it depends on. */
  readonly modules: string
}

export interface Laid {
  /** In it lies `src/` as in the checkout, but with the published code. */
  readonly root: string
  /** What the checkout runs before each file of its unit tests. */
  readonly setupFiles: readonly string[]
}

export function layOver(sources: string, sdk: Package, folder: string): Laid {
  const root = join(folder, 'sdk')
  mkdirSync(root)
  symlinkSync(sdk.modules, join(root, 'node_modules'))
  cpSync(join(sdk.folder, 'package.json'), join(root, 'package.json'))
  cpSync(join(sdk.folder, 'dist/src'), join(root, 'src'), { recursive: true })
  cpSync(sources, join(root, 'src'), {
    recursive: true,
    filter: (from) => {
      if (basename(from) === 'node_modules' || ELSEWHERE.test(from)) return false
      const path = from.slice(sources.length)
      return statSync(from).isDirectory() || FOLDERS.test(path)
    },
  })
  return { root, setupFiles: setupFiles(dirname(sources)).map((file) => join(root, file)) }
}

/**
 * Those in `src/`: the tests that need a network have theirs elsewhere. The configuration is read as text, for it imports
 * what only the checkout has installed.
 */
function setupFiles(folder: string): string[] {
  const config = join(folder, 'vitest.config.ts')
  if (!existsSync(config)) return []
  const named = [...readFileSync(config, 'utf8').matchAll(/setupFiles:\s*(\[[^\]]*\]|'[^']*')/g)]
  const files = named.flatMap(([, list = '']) => [...list.matchAll(/'(?:\.\/)?(src\/[^']+)'/g)])
  return [...new Set(files.map(([, file = '']) => file))].filter((file) => existsSync(join(folder, file)))
}

export function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
}
