/** Breaks one built file, in the processes that tests spawn: they are started with `--import` of this module. */
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { MUTATIONS } from './list.ts'
import { builtPathOf, mutate } from './mutation.ts'

const name = process.env.SELVAGE_MUTATION
const mutation = MUTATIONS.find((each) => each.name === name)
if (mutation === undefined) throw new Error(`no mutation is named "${name}"`)
const broken = pathToFileURL(builtPathOf(mutation)).href

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    return url === broken ? { ...loaded, source: mutate(mutation, String(loaded.source)) } : loaded
  },
})
