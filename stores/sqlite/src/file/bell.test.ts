import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Place, place } from '../../test/place.ts'
import { Database } from '../database.ts'
import { Bell } from './bell.ts'

let here: Place
const opened: { close(): void }[] = []
beforeEach(async () => {
  here = place()
  await (await here.open()).close()
})
afterEach(async () => {
  vi.useRealTimers()
  for (const each of opened.splice(0).reverse()) each.close()
  await here.close()
})

/** As two processes would have them. */
function bell(file = 'bell'): { database: Database; bell: Bell } {
  const database = new Database(here.path)
  const bell = new Bell(database, `${here.path}-${file}`)
  opened.push(database, bell)
  return { database, bell }
}

const commit = (database: Database): void => database.exec("insert into name (text) values ('x')")
const rungAt = (): bigint => statSync(`${here.path}-bell`, { bigint: true }).mtimeNs

describe('the bell', () => {
  it('is heard through its file, with no net below it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    const [here, there] = [bell(), bell()]
    let heard = 0
    there.bell.listen(() => heard++)
    for (const ring of ['now', 'soon'] as const) {
      const before = heard
      commit(here.database)
      here.bell.ring(ring)
      await vi.waitFor(() => expect(heard).toBeGreaterThan(before), { timeout: 10_000 })
    }
  })

  it('that no watch reports is caught by a net, which is finer until the watch reports something', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const [here, there] = [bell(), bell('another-bell')]
    let heard = 0
    there.bell.listen(() => heard++)
    const caughtWithin = async (ms: number): Promise<boolean> => {
      const before = heard
      commit(here.database)
      here.bell.ring('now')
      vi.advanceTimersByTime(ms)
      await sleep(0)
      return heard > before
    }
    expect(await caughtWithin(499)).toBe(false)
    expect(await caughtWithin(1)).toBe(true)
    expect(await caughtWithin(50)).toBe(true)
    there.bell.ring('now')
    // Not before the watch has called back.
    await vi.waitFor(async () => expect(await caughtWithin(50)).toBe(false), { timeout: 10_000 })
    expect(await caughtWithin(450)).toBe(true)
  })

  it('is not heard where nothing was committed, or only by the hearer itself', async () => {
    const { bell: own, database } = bell()
    let heard = 0
    own.listen(() => heard++)
    own.ring('now')
    commit(database)
    own.ring('now')
    await sleep(100)
    expect(heard).toBe(0)
  })

  it('rings for the last of what is only followed, a little later', async () => {
    const { bell: own } = bell()
    own.ring('now')
    const before = rungAt()
    own.ring('soon')
    own.ring('soon')
    expect(rungAt()).toBe(before)
    await vi.waitFor(() => expect(rungAt()).toBeGreaterThan(before), { timeout: 10_000 })
  })

  it('rings for it when it is closed first', () => {
    const { bell: own } = bell()
    opened.pop()
    own.ring('now')
    const before = rungAt()
    own.ring('soon')
    const until = performance.now() + 10
    while (performance.now() < until);
    own.close()
    expect(rungAt()).toBeGreaterThan(before)
  })

  it('stays silent where nobody need hear', () => {
    const { bell: own } = bell()
    const before = rungAt()
    own.ring('none')
    expect(rungAt()).toBe(before)
  })
})
