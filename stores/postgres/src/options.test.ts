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

it.each<[unknown, string]>([
  [undefined, 'postgresStore() was given null'],
  [{ url: 'postgres://127.0.0.1:1/a', durability: 'x' }, 'durability of postgresStore() is "x"'],
  [{ url: 'postgres://127.0.0.1:1/a', schema: 5 }, 'schema of postgresStore() is 5'],
  [{ url: 'postgres://127.0.0.1:1/a', create: 'no' }, 'create of postgresStore() is "no"'],
])('%o is refused', async (options, says) => {
  const refused = { code: 'BAD_INPUT', message: expect.stringContaining(says) }
  await expect(postgresStore(options as never)).rejects.toMatchObject(refused)
})
