/** Breaks one file, as written or as built, in the processes that tests spawn: they are started with `--import` of this module. */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { MUTATIONS } from './list.ts'
import { builtPathOf, mutate, pathOf } from './mutation.ts'

const name = process.env.SELVAGE_MUTATION
const mutation = MUTATIONS.find((each) => each.name === name)
if (mutation === undefined) throw new Error(`no mutation is named "${name}"`)
const broken = [pathOf(mutation), builtPathOf(mutation)].map((path) => pathToFileURL(path).href)

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    return broken.includes(url) ? { ...loaded, source: mutate(mutation, String(loaded.source)) } : loaded
  },
})
