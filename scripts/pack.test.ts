/** What is published, as those have it who install it: nothing here knows of the sources. */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const PATIENCE_MS = 120_000

const AGENT = `
import { appendFileSync } from 'node:fs'
import { Agent, tool } from '@strands-agents/sdk'
import { scriptedModel } from '@selvage/strands/testing'
import { backUp, openSelvage } from 'selvage'

const [dies] = process.argv.slice(2)
const step = (n: number) => ({ tools: [{ name: 'note', input: { n } }] })
const note = tool({
  name: 'note',
  description: 'Notes a number.',
  inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
  callback: (input) => {
    const { n } = input as { n: number }
    if (dies && n === 2) process.kill(process.pid, 'SIGKILL')
    appendFileSync('done', \`\${n}\\n\`)
    return \`noted \${n}\`
  },
})
const selvage = await openSelvage({ url: 'sqlite:./runs.db' })
const agent = selvage.agent('notes', () => new Agent({ model: scriptedModel([step(1), step(2), 'Two notes.']), tools: [note], printer: false }))
const run = await agent.start('Note two numbers.', { runId: 'notes-1' })
const text: string = (await run.result()).text
console.log(text)
// @ts-expect-error: a number is no name
if (text === '') selvage.agent(5, () => undefined)
// A thread does that, which is given its code as text.
await backUp({ url: 'sqlite:./runs.db', to: './copy.db' })
await selvage.close()
`

describe('what is published', () => {
  let folder = ''
  let modules = ''

  beforeAll(async () => {
    mkdirSync(join(root, '.selvage'), { recursive: true })
    folder = mkdtempSync(join(root, '.selvage', 'packed-'))
    modules = join(folder, 'node_modules')
    await promisify(execFile)(process.execPath, [join(root, 'scripts/pack.ts'), folder])
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'agent.ts'), AGENT)
  }, PATIENCE_MS)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('is every package that is not private, with its licence and no sources', () => {
    const names = globSync(['*/package.json', '@selvage/*/package.json'], { cwd: modules }).map(
      (file) => manifestOf(join(modules, file)).name,
    )
    const { workspaces } = manifestOf(join(root, 'package.json'))
    const all = globSync(
      (workspaces ?? []).map((workspace) => `${workspace}/package.json`),
      { cwd: root },
    )
    const published = all.map((file) => manifestOf(join(root, file))).filter((each) => !each.private)
    expect(names.toSorted()).toEqual(published.map(({ name }) => name).toSorted())
    for (const name of names) expect(existsSync(join(modules, name, 'LICENSE')), name).toBe(true)
    expect(globSync('**/*.ts', { cwd: modules }).filter((file) => !file.endsWith('.d.ts'))).toEqual([])
  })

  test('exports what the sources export', async () => {
    for (const name of ['selvage', 'selvage/core', '@selvage/core', '@selvage/strands', '@selvage/programs']) {
      const code = `console.log(JSON.stringify([import.meta.resolve('${name}'), Object.keys(await import('${name}')).sort()]))`
      writeFileSync(join(folder, 'keys.js'), code)
      const { stdout } = await promisify(execFile)(process.execPath, ['keys.js'], { cwd: folder })
      const [resolved, keys] = JSON.parse(stdout) as [string, string[]]
      expect(resolved).toContain(folder)
      expect(keys, name).toEqual(Object.keys((await import(name)) as object).sort())
    }
  })

  test('finishes what another process of it began before it was killed', async () => {
    const play = (...args: string[]) =>
      spawnSync(process.execPath, ['agent.ts', ...args], { cwd: folder, encoding: 'utf8' })
    expect(play('dies')).toMatchObject({ signal: 'SIGKILL' })
    expect(play()).toMatchObject({ status: 0, stdout: 'Two notes.\n' })
    expect(readFileSync(join(folder, 'done'), 'utf8')).toBe('1\n2\n')
  })

  test(
    'goes into one file with the program, and is found in it by the next one, minified or not',
    async () => {
      const alone = mkdtempSync(join(tmpdir(), 'selvage-bundled-'))
      onTestFinished(() => rmSync(alone, { recursive: true, force: true }))
      for (const minify of [false, true]) {
        const bundled = await rolldown({ input: join(folder, 'agent.ts'), platform: 'node', onLog: () => {} })
        const file = join(alone, minify ? 'after.js' : 'before.js')
        await bundled.write({ file, format: 'esm', minify, keepNames: true, codeSplitting: false })
        await bundled.close()
      }
      writeFileSync(join(alone, 'package.json'), '{ "type": "module" }')
      const play = (...args: string[]) => spawnSync(process.execPath, args, { cwd: alone, encoding: 'utf8' })
      expect(play('before.js', 'dies')).toMatchObject({ signal: 'SIGKILL' })
      expect(play('after.js')).toMatchObject({ status: 0, stdout: 'Two notes.\n' })
      expect(readFileSync(join(alone, 'done'), 'utf8')).toBe('1\n2\n')
    },
    PATIENCE_MS,
  )

  test(
    'has types that hold for who uses it',
    async () => {
      const args = [
        '--ignoreConfig',
        '--noEmit',
        '--module',
        'nodenext',
        '--target',
        'es2024',
        '--strict',
        '--types',
        'node',
      ]
      const tsc = join(root, 'node_modules/.bin/tsc')
      const { stdout } = await promisify(execFile)(tsc, [...args, 'agent.ts'], { cwd: folder }).catch((error) => error)
      expect(stdout).toBe('')
    },
    PATIENCE_MS,
  )

  test(
    'is enough for an engine of somebody else: the template passes the kit',
    async () => {
      const engine = join(folder, 'engine')
      cpSync(join(root, 'examples/engine-template'), engine, { recursive: true })
      const { PATH = '' } = process.env
      const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', engine]
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        cwd: engine,
        env: { PATH, NO_COLOR: '1' },
      })
      expect(stdout).toMatch(/Tests +\d+ passed/)
    },
    PATIENCE_MS,
  )

  test('has a command', () => {
    const bin = join(modules, '@selvage/cli/bin/selvage.js')
    const { stdout, status } = spawnSync(process.execPath, [bin, '--version'], { cwd: folder, encoding: 'utf8' })
    expect({ stdout: stdout.trim(), status }).toEqual({
      stdout: manifestOf(join(root, 'apps/cli/package.json')).version,
      status: 0,
    })
  })
})

interface PackageJson {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly workspaces?: readonly string[]
}

function manifestOf(file: string): PackageJson {
  return JSON.parse(readFileSync(file, 'utf8')) as PackageJson
}
