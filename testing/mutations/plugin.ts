/** Breaks one file while vitest loads it: `SELVAGE_MUTATION` names which. */
import { MUTATIONS } from './list.ts'
import { mutate, pathOf } from './mutation.ts'

export interface LoadPlugin {
  readonly name: string
  readonly enforce: 'pre'
  transform(source: string, id: string): string | undefined
}

export function mutationPlugin(name: string | undefined): LoadPlugin | undefined {
  if (name === undefined) return undefined
  const mutation = MUTATIONS.find((each) => each.name === name)
  if (mutation === undefined) throw new Error(`no mutation is named "${name}"`)
  const path = pathOf(mutation)
  return {
    name: 'selvage-mutation',
    enforce: 'pre',
    transform: (source, id) => (id.split('?')[0] === path ? mutate(mutation, source) : undefined),
  }
}
