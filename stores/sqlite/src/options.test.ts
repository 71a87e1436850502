/** A misspelt option is refused, never ignored. */
import { badRefusals } from '@selvage/testing'
import { expect, it } from 'vitest'
import { sqliteStore } from './index.ts'

it.each<[string, (options: never) => unknown]>([['sqliteStore()', sqliteStore]])(
  '%s knows no misspelling, and takes no text, list or null for options',
  async (what, make) => {
    expect(await badRefusals(what, make)).toEqual([])
  },
)

it.each(['x', 'FULL', 'off'])(
  'a durability "%s" is refused where it is none: SQLite would take a weaker one',
  async (durability) => {
    const opened = sqliteStore({ path: ':memory:', durability: durability as 'full' })
    await expect(opened).rejects.toMatchObject({ code: 'BAD_INPUT', message: expect.stringContaining('durability') })
  },
)

it.each<[unknown, string]>([
  [undefined, 'sqliteStore() was given null'],
  [{}, 'path of sqliteStore() is undefined'],
  [{ path: ':memory:', maxBytes: 'x' }, 'maxBytes of sqliteStore() is "x"'],
])('%o is refused', async (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  await expect(sqliteStore(options as never)).rejects.toMatchObject(refused)
})
