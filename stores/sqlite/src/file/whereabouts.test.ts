import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, newRun, type Place, place, step } from '../../test/place.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

/** The store looks at its files that often. */
const looked = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 150))

function refusal(file: string): object {
  return {
    name: 'EngineError',
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`The file ${file} has been removed, moved or replaced`),
    details: { path: here.path, file },
  }
}

describe.each(['', '-wal', '-shm'])('a database whose file "…%s" is not where it was', (suffix) => {
  it('takes nothing and tells nothing until it is back, and has lost nothing', async () => {
    const file = here.path + suffix
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    await store.append('r', fence, 1, [step(1)])
    renameSync(file, `${file}.away`)
    await looked()
    await expect(store.append('r', fence, 2, [step(2)])).rejects.toMatchObject(refusal(file))
    await expect(store.create(newRun('other'))).rejects.toMatchObject(refusal(file))
    await expect(store.load('r', 0)).rejects.toMatchObject(refusal(file))
    expect(existsSync(file)).toBe(false)
    renameSync(`${file}.away`, file)
    await store.append('r', fence, 2, [step(2)])
    const read = await here.open()
    expect((await read.load('r', 0)).length).toBe(3)
    expect((await read.list({})).items.map(({ id }) => id)).toEqual(['r'])
  })
})

it('a database in whose place there is another leaves that one alone, to its end', async () => {
  const old = await here.open()
  await enlisted(old)
  const { fence } = await claimed(old)
  await old.append('r', fence, 1, [step(1)])
  for (const name of readdirSync(here.folder)) rmSync(join(here.folder, name))
  const child =
    here.child(`await store.create({ runId: 'new', start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
    say('created')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    await store.create({ runId: 'newer', start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
    say('created')
    process.kill(process.pid, 'SIGKILL')`)
  expect(await child.line()).toBe('created')
  await looked()
  await expect(old.append('r', fence, 2, [step(2)])).rejects.toMatchObject(refusal(here.path))
  await old.close()
  child.process.stdin?.write('\n')
  expect(await child.line()).toBe('created')
  await child.exited
  const read = await here.open()
  expect((await read.list({})).items.map(({ id }) => id).sort()).toEqual(['new', 'newer'])
})

it('what SQLite says of a database whose file was replaced under it is told as that', async () => {
  const store = await here.open()
  await store.create(newRun('r'))
  rmSync(here.path)
  // It begins the log of the old file anew, which then has no tables.
  await (await here.open()).close()
  await expect(store.create(newRun('other'))).rejects.toMatchObject(refusal(here.path))
})
