/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { postgresStore } from './index.ts'

it.each<[string, (options: never) => unknown]>([['postgresStore()', postgresStore]])(
  '%s knows no misspelling, and takes no text, list or null for options',
  async (what, make) => {
    expect(await badRefusals(what, make)).toEqual([])
  },
)
