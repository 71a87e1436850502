/** `npm run demo [-- <folder>]`: a report from a folder of documents, by workers that are killed on the way. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Entry, openSelvage, type Question, RunError, type Selvage } from 'selvage'
import { ModelChoiceError } from '../models.ts'
import { answerLikeAPerson, askThePerson } from './answer.ts'
import { CallLog, readCalls } from './call-log.ts'
import { printFigures } from './closing.ts'
import { figuresOf, problemsOf } from './figures.ts'
import { Ledger } from './ledger.ts'
import { Library } from './library.ts'
import { checkModels, modelFor, whoAnswers } from './models.ts'
import { bringToItsEnd } from './orchestrator.ts'
import { Press } from './press.ts'
import { registerPrograms } from './programs.ts'
import { callsOf, ledgerOf, reportOf, type Settings, urlOf } from './settings.ts'
import { paint, plural, print, Timeline } from './timeline.ts'
import { createTools } from './tools.ts'

const HELP = `npm run demo [-- <folder> --question <text> --ask --data <folder>]

  <folder>     documents (.md .mdx .txt .rst .adoc); default: the documentation of this repository
  --question   what the report is to answer
  --ask        you answer the approval, here or with the selvage command
  --data       where the journal, the ledger and the report go; default: a new folder below .selvage/demo of the repository

With ANTHROPIC_API_KEY, OPENAI_API_KEY or AWS credentials the same command asks a real model, with OPENAI_BASE_URL the one
behind any compatible server. SELVAGE_MODEL names it; SELVAGE_MODEL_PLANNER, _EXECUTOR and _SUMMARISER name that of one
stage; SELVAGE_PROVIDER=offline|anthropic|openai|bedrock decides where there are several keys.
`

const STAGES = ['plan', 'execute', 'summarise']
const FEWEST_KILLS = 3
const USAGE = 2

const repository = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const OWN_DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs']

interface Request {
  readonly settings: Settings
  readonly question: string
  readonly ask: boolean
}

function requestOf(argv: readonly string[]): Request | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      question: { type: 'string' },
      ask: { type: 'boolean', default: false },
      data: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const [named, ...more] = positionals
  if (more.length > 0) throw new UsageProblem('One folder at a time.')
  const folder = named === undefined ? undefined : resolve(whereTheUserIs(), named)
  if (folder !== undefined && !(existsSync(folder) && statSync(folder).isDirectory())) {
    throw new UsageProblem(`There is no folder ${folder}.`)
  }
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-')
  const question =
    values.question ??
    (folder === undefined
      ? 'What does Selvage promise when a process dies?'
      : 'What are the main points of these documents?')
  return {
    settings: {
      root: folder ?? repository,
      within: folder === undefined ? OWN_DOCUMENTS : ['.'],
      data: resolve(whereTheUserIs(), values.data ?? join(repository, '.selvage', 'demo', stamp)),
    },
    question,
    ask: values.ask,
  }
}

/** npm runs scripts in the folder of package.json, wherever it was called. */
function whereTheUserIs(): string {
  const { npm_lifecycle_event: script, INIT_CWD: called } = process.env
  return script === 'demo' && called !== undefined ? called : process.cwd()
}

class UsageProblem extends Error {}

async function demo({ settings, question, ask }: Request): Promise<number> {
  const library = new Library(settings.root, settings.within)
  if (library.paths.length === 0) throw new UsageProblem(`There are no documents in ${settings.root}.`)
  await checkModels()
  mkdirSync(settings.data, { recursive: true })
  const ledger = new Ledger(ledgerOf(settings))
  const url = urlOf(settings)

  print(paint('bold', 'plan → execute → summarise, by workers that are killed with SIGKILL on the way'))
  print()
  print(`  documents  ${library.paths.length} in ${library.root}`)
  print(`  question   ${question}`)
  print(`  models     ${whoAnswers()}`)
  print(`  data       ${settings.data}`)
  print()

  const selvage = await openSelvage({ url, work: false })
  try {
    const calls = new CallLog(callsOf(settings), () => {})
    const report = registerPrograms(selvage, {
      tools: createTools({ library, ledger, calls }),
      press: new Press(reportOf(settings), ledger, calls),
      modelFor: (role) => modelFor(role, calls),
    })
    const timeline = new Timeline()
    const run = await report.start({ question }, { runId: 'report' })
    const answer = (asked: Question): Promise<string> =>
      ask ? askThePerson(selvage, run.id, asked, url) : answerLikeAPerson(selvage, run.id, asked)
    const strikes = await bringToItsEnd({ selvage, settings, runId: run.id, timeline, answer })
    const result = await run.result().catch((error: unknown) => failed(error))
    if (result === undefined) return lookCloser(settings, url, 1)
    timeline.line('done', result.published ? 'the report is published' : `not published: ${result.reason}`)
    print()
    if (result.published) printReport(result.publication.path)

    const journals = await journalsOf(selvage, run.id)
    const figures = figuresOf({ journals, calls: readCalls(callsOf(settings)), ledger: ledger.lines() })
    print('Figures, from the journal, from a log of every real call, and from the ledger')
    print()
    printFigures(figures, strikes)
    const killed = strikes.filter((strike) => strike.signal === 'SIGKILL').length
    const problems = [
      ...problemsOf(figures, result.published),
      ...(killed < FEWEST_KILLS ? [`Only ${plural(killed, 'worker')} died of SIGKILL.`] : []),
    ]
    return verdict(problems, settings, url)
  } finally {
    await selvage.close()
  }
}

async function journalsOf(selvage: Selvage, runId: string): Promise<Map<string, readonly Entry[]>> {
  const ids = [runId, ...STAGES.map((stage) => `${runId}/${stage}`)]
  return new Map(await Promise.all(ids.map(async (id) => [id, await selvage.run(id).journal()] as const)))
}

const LINES_SHOWN = 16

function printReport(path: string): void {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  for (const line of lines.slice(0, LINES_SHOWN)) print(`  ${paint('gray', '│')} ${line}`)
  if (lines.length > LINES_SHOWN) print(`  ${paint('gray', `│ … ${lines.length - LINES_SHOWN} more lines`)}`)
  print()
  print(`Report: ${path}`)
  print()
}

function verdict(problems: readonly string[], settings: Settings, url: string): number {
  print()
  for (const problem of problems) print(`${paint('red', '✗')} ${problem}`)
  if (problems.length === 0) {
    print(`${paint('green', '✓')} Nothing that was recorded was done again, no effect is missing or there twice.`)
  }
  return lookCloser(settings, url, problems.length === 0 ? 0 : 1)
}

function failed(error: unknown): undefined {
  if (!RunError.is(error, 'RUN_FAILED')) throw error
  print()
  print(`${paint('red', '✗')} ${error.message}`)
}

function lookCloser(settings: Settings, url: string, code: number): number {
  print()
  print(`Look closer: npx selvage --url '${url}' show report`)
  const folder = relative(process.cwd(), settings.data)
  print(`The data stays in ${folder.startsWith('..') ? settings.data : folder}; delete it when you like.`)
  return code
}

async function main(): Promise<number> {
  try {
    const request = requestOf(process.argv.slice(2))
    if (request !== undefined) return await demo(request)
    print(HELP)
    return 0
  } catch (error) {
    if (!isUsage(error)) throw error
    process.stderr.write(`${error.message}\n\n${HELP}`)
    return USAGE
  }
}

function isUsage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return error instanceof UsageProblem || error instanceof ModelChoiceError || code.startsWith('ERR_PARSE_ARGS')
}

// A reader that has seen enough (`npm run demo | head`) is no failure.
process.stdout.on('error', () => process.exit())
process.exitCode = await main()
