/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { nodeRuntime } from './index.ts'

it.each<[string, (options: never) => unknown]>([['nodeRuntime()', nodeRuntime]])(
  '%s knows no misspelling, and takes no text, list or null for options',
  async (what, make) => {
    expect(await badRefusals(what, make)).toEqual([])
  },
)
