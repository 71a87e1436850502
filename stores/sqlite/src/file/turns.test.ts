import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Turns } from './turns.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-sqlite-'))
})
const opened: Turns[] = []
afterEach(() => {
  for (const each of opened.splice(0)) each.close()
  rmSync(folder, { recursive: true })
})

const busy = (): Error => Object.assign(new Error('database is locked'), { errcode: 5 })

function turns(file: string | undefined = join(folder, 'turn')): Turns {
  const turns = new Turns('the.db', file)
  turns.open()
  opened.push(turns)
  return turns
}

describe('who writes', () => {
  it('rests once for each time that another was found waiting, and not before 10 ms of writing', async () => {
    const [writer, waiter] = [turns(), turns()]
    expect(writer.rest(0)).toBe(0)
    await sleep(5)
    waiter.waiting()()
    expect(writer.rest(9)).toBe(0)
    expect(writer.rest(10)).toBe(2)
    expect(writer.rest(30)).toBe(0)
    await sleep(5)
    waiter.waiting()()
    expect(writer.rest(50)).toBe(2)
  })

  it('does not rest when nobody waits, or has waited itself', async () => {
    const writer = turns()
    await sleep(5)
    writer.waiting()()
    expect([0, 20, 40, 60].map((now) => writer.rest(now))).toEqual([0, 0, 0, 0])
    const alone = turns(undefined)
    alone.waiting()()
    expect(alone.rest(100)).toBe(0)
  })
})

describe('who waits', () => {
  it('tries again until it is let in, and waits for nothing but that', async () => {
    let tries = 0
    const result = await turns().retry(() => {
      if (++tries < 20) throw busy()
      return 'in'
    })
    expect([result, tries]).toEqual(['in', 20])
    await expect(turns().retry(() => Promise.reject(new Error('other')))).rejects.toThrow('other')
    await expect(
      turns().retry(() => {
        throw new Error('other')
      }),
    ).rejects.toThrow('other')
  })
})
