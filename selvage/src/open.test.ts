import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OpenOptions, openSelvage } from './core.ts'
import { locate } from './url.ts'

let folder: string
const home = process.cwd()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-open-'))
})

afterEach(() => {
  process.chdir(home)
  rmSync(folder, { recursive: true, force: true })
})

describe('where a url leads', () => {
  test.each([
    [undefined, {}, { path: './.selvage/selvage.db', isDefault: true }],
    [undefined, { SELVAGE_URL: 'sqlite:/data/a.db' }, { path: '/data/a.db', isDefault: false }],
    [undefined, { SELVAGE_URL: '' }, { isDefault: true }],
    ['sqlite:b.db', { SELVAGE_URL: 'sqlite:/data/a.db' }, { path: 'b.db' }],
    ['sqlite:///data/c.db', {}, { path: '/data/c.db' }],
    ['sqlite::memory:', {}, { kind: 'memory' }],
    ['postgres://localhost/app', {}, { kind: 'postgres', url: 'postgres://localhost/app' }],
  ])('%s in %o', (url, environment, expected) => {
    expect(locate(url, environment)).toMatchObject(expected)
  })

  test.each([
    ['data.db', 'BAD_INPUT', "Write 'sqlite:data.db'"],
    ['sqlite:', 'BAD_INPUT', 'names no file'],
    ['mysql://localhost/selvage', 'UNSUPPORTED', "'mysql:'"],
  ])('%s is refused', (url, code, message) => {
    expect(() => locate(url, {})).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  })
})

test('without a url the database lies in .selvage, which git does not see', async () => {
  process.chdir(folder)
  const selvage = await openSelvage({})
  await selvage.close()
  expect(existsSync(join(folder, '.selvage', 'selvage.db'))).toBe(true)
  expect(readFileSync(join(folder, '.selvage', '.gitignore'), 'utf8')).toBe('*\n')
})

test('create: false leaves no trace where there is no database', async () => {
  const path = join(folder, 'none', 'a.db')
  await expect(openSelvage({ url: `sqlite:${path}`, create: false })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(path),
  })
  expect(existsSync(join(folder, 'none'))).toBe(false)
})

test.each([
  ['a codec', { codec: {} }, 'UNSUPPORTED'],
  ['two places at once', { url: 'sqlite::memory:', store: {} }, 'BAD_INPUT'],
])('%s is refused', async (_what, options, code) => {
  await expect(openSelvage(options as unknown as OpenOptions)).rejects.toMatchObject({ code })
})

test('abilities whose names are taken say so instead of doing nothing', async () => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:', work: false })
  const unsupported = expect.objectContaining({ code: 'UNSUPPORTED' })
  expect(() => selvage.schedule('s', 'daily')).toThrow(unsupported)
  const echo = selvage.workflow('echo', (_ctx, input: string) => input)
  expect(() => echo.session('s')).toThrow(unsupported)
  await expect(echo.start('a', { priority: 1 })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  await expect(echo.start('a', { concurrencyKey: 'k' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  const run = await echo.start('a')
  await expect(run.conversation()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(() => run.events({ as: 'ag-ui' })).toThrow(unsupported)
})

test('a closed Selvage starts nothing', async () => {
  const selvage = await openSelvage({ url: 'sqlite::memory:' })
  const echo = selvage.workflow('echo', (_ctx, input: string) => input)
  await selvage.close()
  await selvage.close()
  await expect(echo.start('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(() => selvage.workflow('other', () => {})).toThrow(expect.objectContaining({ code: 'ALREADY_OPEN' }))
})
