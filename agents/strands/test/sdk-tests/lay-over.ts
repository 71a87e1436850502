/** The unit tests of a checkout over the code of a published package, in a folder of their own. */
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Where the sources lie: the repository has held the package at its root and in a folder. */
const PLACES = ['src', 'strands-ts/src']
/** Tests and what they share lie in folders of these names, beside the sources. */
const FOLDERS = /(^|\/)(__tests__|__fixtures__)(\/|$)/
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

/** Returns the root of what it has laid out: `src/` as in the checkout, but with the published code. */
export function layOver(sources: string, sdk: Package, folder: string): string {
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
  return root
}

export function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
}
