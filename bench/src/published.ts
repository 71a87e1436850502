/**
 * Our packages as they are published (`npm run pack`), where their import is a part of what is measured: what runs in the
 * repository is loaded file by file.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PACKED = new URL('../../packed/node_modules/', import.meta.url)

/** Imports a package; `Module` is the type of what it exports. */
export async function published<Module>(name: string): Promise<Module> {
  const file = new URL(`${name}/dist/index.js`, PACKED)
  if (!existsSync(file)) throw new Error(`${fileURLToPath(file)} is not there: npm run pack`)
  return (await import(file.href)) as Module
}
