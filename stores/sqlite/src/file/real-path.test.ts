import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, type Place, place, step } from '../../test/place.ts'
import { inspectDatabase } from '../index.ts'
import { realPath } from './real-path.ts'

let here: Place
let alias: string
beforeEach(() => {
  here = place()
  mkdirSync(join(here.folder, 'links'))
  alias = join(here.folder, 'links', 'alias.db')
  symlinkSync('../selvage.db', alias)
})
afterEach(() => here.close())

describe('a database that is opened by two names', () => {
  it.each([
    ['the first is the file', () => here.path, () => alias],
    ['the first is the link, which leads to nothing yet', () => alias, () => here.path],
  ])('has one set of workers: %s', async (_, first, second) => {
    const one = await here.open({ path: first() })
    await enlisted(one, 'w', Date.now())
    const { fence } = await claimed(one)
    const other = await here.open({ path: second() })
    expect(await other.dead(Date.now())).toEqual([])
    await enlisted(other, 'x', Date.now())
    await expect(other.claimRun('x', 'r', Date.now())).rejects.toMatchObject({ code: 'RUN_HELD' })
    for (const path of [first(), second()]) {
      expect(inspectDatabase(path).workers.map(({ id, lives }) => ({ id, lives }))).toEqual([
        { id: 'w', lives: true },
        { id: 'x', lives: true },
      ])
    }
    await one.append('r', fence, 1, [step(1)])
    expect(other.location).toBe(one.location)
    expect(readdirSync(join(here.folder, 'links'))).toEqual(['alias.db'])
  })

  it('tells by one name what was written by the other', async () => {
    const one = await here.open()
    const other = await here.open({ path: alias })
    const heard = new Promise<void>((resolve) => other.watch?.(resolve))
    await enlisted(one)
    await claimed(one)
    await heard
  })
})

it('a link that leads elsewhere now leaves the store where it was', async () => {
  const release = join(here.folder, 'release-1')
  mkdirSync(release)
  const current = join(here.folder, 'current')
  symlinkSync(release, current)
  const store = await here.open({ path: join(current, 's.db') })
  await enlisted(store)
  const { fence } = await claimed(store)
  mkdirSync(join(here.folder, 'release-2'))
  unlinkSync(current)
  symlinkSync(join(here.folder, 'release-2'), current)
  await new Promise((resolve) => void setTimeout(resolve, 150))
  await store.append('r', fence, 1, [step(1)])
  await store.close()
  expect((await (await here.open({ path: join(release, 's.db') })).load('r', 0)).length).toBe(2)
  expect(existsSync(join(current, 's.db'))).toBe(false)
})

it('is the path as it is where no link is, and ends where links go in a circle', () => {
  const folder = realpathSync(here.folder)
  expect(realPath(join(here.folder, 'not', 'there.db'))).toBe(join(folder, 'not', 'there.db'))
  expect(realPath(alias)).toBe(join(folder, 'selvage.db'))
  symlinkSync('b', join(folder, 'a'))
  symlinkSync('a', join(folder, 'b'))
  expect([join(folder, 'a'), join(folder, 'b')]).toContain(realPath(join(folder, 'a')))
  renameSync(alias, join(folder, 'moved.db'))
  expect(realPath(join(folder, 'moved.db'))).toBe(join(folder, '..', 'selvage.db'))
})
