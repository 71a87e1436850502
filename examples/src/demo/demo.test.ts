import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serveChat } from '../../test/chat-server.ts'
import { run, temporaryFolder } from '../../test/process.ts'
import { type LedgerLine, readLines } from './ledger.ts'
import { executor } from './offline/executor.ts'
import { planner } from './offline/planner.ts'
import { summariser } from './offline/summariser.ts'

const DOCUMENTS = {
  'README.md': `# The lighthouse handbook

The lighthouse is lit at dusk and never left alone. A keeper writes each night into the log.

## The lamp

The lamp is cleaned every morning before the log is closed. A broken lamp is reported to the harbour at once.
`,
  'guide/keeper.md': `# The keeper

A keeper is on watch for six hours and hands over in person. The keeper must never sleep while the lamp is lit.

## Handing over

Handing over means that both keepers sign the log of the night. The harbour is told who has the watch.
`,
  'guide/harbour.md': `# The harbour

The harbour is called when the lamp fails or a ship is in distress. Its answer always stands in the log.

## The watch

The watch of the harbour is shared by three people who know every keeper by name.
`,
  'guide/storm.txt': `The storm. In a storm the lamp is never put out, whoever asks for it. The keeper calls the harbour every hour.
`,
}

function folderOfDocuments(): string {
  const folder = temporaryFolder()
  for (const [path, text] of Object.entries(DOCUMENTS)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** The numbers of the row of that name in the closing figures. */
function row(stdout: string, name: string): number[] {
  const line = stdout.split('\n').find((candidate) => candidate.trimStart().startsWith(name)) ?? ''
  return line.trim().slice(name.length).trim().split(/\s+/).map(Number)
}

describe('the demo', () => {
  it('writes a true report, whoever is killed, and its figures say so', async () => {
    const folder = folderOfDocuments()
    const data = join(temporaryFolder(), 'data')
    const { code, stdout, stderr } = await run('demo/main.js', { cwd: folder, args: [folder, '--data', data] }).ended
    expect(stderr).toBe('')
    expect(code, stdout).toBe(0)

    expect(stdout).toMatch(/offline model stands in/)
    expect(stdout.match(/SIGKILL {5}worker \d, pid \d+/g)?.length).toBeGreaterThanOrEqual(3)
    for (const place of ['a model call', 'parallel tools', 'waits for a person']) expect(stdout).toContain(place)

    const [models = 0, modelCalls = 0, modelsRepeated = 0, ...modelFaults] = row(stdout, 'model calls')
    expect(models).toBeGreaterThanOrEqual(9)
    expect(modelCalls).toBe(models + modelsRepeated)
    expect(modelFaults).toEqual([0, 0])
    const [tools = 0, toolCalls = 0, toolsRepeated = 0, ...toolFaults] = row(stdout, 'tool calls')
    expect(tools).toBeGreaterThanOrEqual(12)
    expect(toolCalls).toBe(tools + toolsRepeated)
    expect(toolsRepeated).toBeGreaterThan(0)
    expect(toolFaults).toEqual([0, 0])
    const [findings = 0, , , applied, ...findingFaults] = row(stdout, 'findings in the ledger')
    expect(findings).toBeGreaterThan(0)
    expect(applied).toBe(findings)
    expect(findingFaults).toEqual([0, 0])
    expect(row(stdout, 'reports published')).toEqual([1, 1, 0, 1, 0, 0])

    // The ledger by itself, without the demo's arithmetic.
    const ledger = readLines<LedgerLine>(join(data, 'ledger.jsonl'))
    const keys = ledger.filter((line) => line.applied).map((line) => line.key)
    expect(new Set(keys).size).toBe(keys.length)
    expect(ledger.filter((line) => line.kind === 'publication')).toHaveLength(1)
    expect(new Set(ledger.map((line) => line.key)).size).toBe(keys.length)
    expect(ledger.length, 'a kill behind an effect makes the ledger see a key twice').toBeGreaterThan(keys.length)

    // Every statement of the report stands where it is said to stand.
    const report = readFileSync(join(data, 'report.md'), 'utf8')
    const statements = [...report.matchAll(/^- (.+) \[(.+):(\d+)\]$/gm)]
    expect(statements).toHaveLength(findings)
    for (const [, quote = '', path = '', line] of statements) {
      const text = readFileSync(join(folder, path), 'utf8').split('\n')
      expect(text[Number(line) - 1]).toContain(quote)
    }
  }, 120_000)

  it('uses the model behind an OpenAI-compatible url, and pays for no answer twice', async () => {
    await using server = await serveChat({ small: planner, middle: executor, large: summariser })
    const folder = folderOfDocuments()
    const { code, stdout, stderr } = await run('demo/main.js', {
      cwd: folder,
      args: ['.', '--data', 'data'],
      env: {
        SELVAGE_PROVIDER: '',
        OPENAI_BASE_URL: server.url,
        SELVAGE_MODEL: 'large',
        SELVAGE_MODEL_PLANNER: 'small',
        SELVAGE_MODEL_EXECUTOR: 'middle',
      },
    }).ended
    expect(stderr).toBe('')
    expect(code, stdout).toBe(0)
    expect(stdout).toContain(`openai at ${server.url}, small, middle, large`)
    const [recorded = 0, called = 0, repeated = 0] = row(stdout, 'model calls')
    expect(server.requests).toHaveLength(called)
    expect(called).toBe(recorded + repeated)
    expect(repeated).toBe(1)
    expect(new Set(server.requests)).toEqual(new Set(['small', 'middle', 'large']))
  }, 120_000)

  it('says what is wrong with its arguments', async () => {
    const cwd = temporaryFolder()
    const noFolder = await run('demo/main.js', { cwd, args: ['not-there'] }).ended
    expect(noFolder.code).toBe(2)
    expect(noFolder.stderr).toContain(`There is no folder ${join(cwd, 'not-there')}`)
    const noDocuments = await run('demo/main.js', { cwd, args: [cwd] }).ended
    expect(noDocuments.code).toBe(2)
    expect(noDocuments.stderr).toContain('There are no documents')
    const noModel = await run('demo/main.js', {
      cwd: folderOfDocuments(),
      args: ['guide'],
      env: { SELVAGE_PROVIDER: '', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' },
    }).ended
    expect(noModel.code).toBe(2)
    expect(noModel.stderr).toContain('Set SELVAGE_MODEL')
  })
})
