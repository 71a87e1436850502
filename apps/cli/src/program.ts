/** The commands and their options. What each does is in `commands/`. */
import { readFileSync } from 'node:fs'
import { QUESTION_KINDS, UsageError } from '@selvage/core'
import { Command, InvalidArgumentError } from 'commander'
import { type AnswerOptions, answer, type DelegateOptions, defaultBy, delegate, parseJson } from './commands/answer.ts'
import { type ApprovalsOptions, approvals } from './commands/approvals.ts'
import { backup } from './commands/backup.ts'
import { type BulkOptions, bulk, discardOne, isBulk } from './commands/bulk.ts'
import { doctor } from './commands/doctor.ts'
import { type EffectsOptions, effects } from './commands/effects.ts'
import { type ForkArguments, fork } from './commands/fork.ts'
import { journal } from './commands/journal.ts'
import { type LinkOptions, link } from './commands/link.ts'
import { type ListOptions, list } from './commands/list.ts'
import { type OutboxListOptions, outbox, resend } from './commands/outbox.ts'
import { show } from './commands/show.ts'
import { type WorkOptions, work } from './commands/work.ts'
import { EXIT, EXIT_MEANING } from './exit-codes.ts'
import { explain } from './failure.ts'
import { findQuestion, findRun } from './find.ts'
import { type RaiseOptions, raise } from './money.ts'
import { notBuilt } from './not-built.ts'
import { type GlobalOptions, session } from './session.ts'

/** `json`: what is wrong with the arguments is told as JSON, too. */
export function createProgram(json: boolean): Command {
  const program = new Command('selvage')
  if (json) program.configureOutput({ writeErr: () => {}, outputError: explainUsage })
  else program.showHelpAfterError("('selvage --help' shows the commands)")
  program
    .description('Looks at durable runs and answers them. Without --url: SELVAGE_URL, else ./.selvage/selvage.db.')
    .version(version())
    .option('--url <url>', "the database: 'sqlite:<path>' or 'postgres://…'")
    .option('--json', 'answers and errors for programs')
    .addHelpText('after', exitCodes())
  addReading(program)
  addAnswering(program)
  addChanging(program)
  addFork(program)
  addOperating(program)
  return program
}

function addReading(program: Command): void {
  program
    .command('list')
    .description('runs, newest first')
    .option('--status <status...>', 'pending, running, suspended, completed, failed or cancelled; several are allowed')
    .option('--program <name>', 'runs of this program')
    .option('--tenant <tenant>', 'runs of this tenant')
    .option('--tag <key=value>', 'runs with this tag')
    .option('--limit <count>', 'at most so many, 1–1000 (default 50)', count(1, 1_000))
    .option('--after <cursor>', 'the page behind the one before, as its last line says')
    .option('--usage', 'also tokens and cost: reads the journal of each run')
    .action((_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & ListOptions>()
      return session(options, (opened) => list(opened, options))
    })
  program
    .command('approvals')
    .description('what people are asked, newest first: the open questions unless told otherwise')
    .option('--status <status>', 'open, answered, expired, closed or any (default open)')
    .option('--assignee <name>', 'what this person is asked')
    .option('--run <run>', 'what this run asks')
    .option('--tag <key=value>', 'what runs with this tag ask')
    .option(
      '--kind <kind>',
      `${QUESTION_KINDS.slice(0, -1).join(', ')} or ${QUESTION_KINDS.at(-1)} (default: all but callbacks)`,
    )
    .option('--limit <count>', 'at most so many, 1–1000 (default 50)', count(1, 1_000))
    .option('--after <cursor>', 'the page behind the one before, as its last line says')
    .action((_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & ApprovalsOptions>()
      return session(options, (opened) => approvals(opened, options))
    })
  program
    .command('show <run>')
    .description('a run: what it did, what it waits for, and how to answer')
    .action((id: string, _options, command: Command) =>
      session(command.optsWithGlobals(), async (opened) => show(opened, await findRun(opened.selvage, id))),
    )
  program
    .command('effects [run]')
    .description('what runs did outside, and what is known of it; outcomes that nobody knows first')
    .option('--state <state>', 'intended, done, failed or unknown')
    .option('--effect <effect>', 'read, idempotent or once (default: idempotent and once)')
    .option('--name <name>', 'of this tool or step')
    .option('--program <name>', 'of runs of this program')
    .option('--tenant <tenant>', 'of runs of this tenant')
    .option('--limit <count>', 'at most so many, 1–1000 (default 50; of one run 1000)', count(1, 1_000))
    .option('--after <cursor>', 'the page behind the one before, as its last line says')
    .action((id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & EffectsOptions>()
      return session(options, async (opened) => {
        const run = id === undefined ? undefined : await findRun(opened.selvage, id)
        return effects(opened, run?.id, options)
      })
    })
  program
    .command('outbox')
    .description('messages that runs have sent, newest first; dead ones are shown with their last error')
    .option('--state <state>', 'waiting, delivering, delivered or dead')
    .option('--topic <topic>', 'messages of this topic')
    .option('--run <run>', 'messages of this run')
    .option('--limit <count>', 'at most so many, 1–1000 (default 50)', count(1, 1_000))
    .option('--after <cursor>', 'the page behind the one before, as its last line says')
    .action((_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & OutboxListOptions>()
      return session(options, (opened) => outbox(opened, options))
    })
  program
    .command('journal <run>')
    .description('everything recorded of a run, one entry a line')
    .action((id: string, _options, command: Command) =>
      session(command.optsWithGlobals(), async (opened) => journal(opened, await findRun(opened.selvage, id))),
    )
}

function addAnswering(program: Command): void {
  const act =
    (verb: 'approve' | 'reject') =>
    (id: string, _options: unknown, command: Command): Promise<void> => {
      const options = command.optsWithGlobals<GlobalOptions & AnswerOptions>()
      return session(options, async (opened) => answer(opened, await findQuestion(opened.selvage, id), verb, options))
    }
  program
    .command('approve <approval>')
    .description('say yes to an open question')
    .option('--input <json>', 'arguments in place of those shown; for an unknown effect its result')
    .option('--value <json>', 'the data that it asks for')
    .option('--input-hash <hash>', 'of the arguments that you have seen: others are not approved')
    .option('--by <name>', 'who says so (default: your user name)')
    .action(act('approve'))
  program
    .command('reject <approval>')
    .description('say no to an open question')
    .option('--reason <text>', 'shown to the model or the workflow')
    .option('--by <name>', 'who says so (default: your user name)')
    .action(act('reject'))
  program
    .command('link <approval>')
    .description('make a signed link that answers an open question once; needs SELVAGE_LINK_SECRET')
    .option('--action <action>', 'approve, reject or any (default any)', 'any')
    .option('--assignee <name>', 'whose link it is (default: whom the question is for)')
    .option('--expires-in <duration>', "until when, as '2d' or '4h' (default 7d)")
    .option('--page <url>', 'the page of yours that takes it')
    .action((id: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & LinkOptions>()
      return session(options, async (opened) => link(opened, await findQuestion(opened.selvage, id), options))
    })
  program
    .command('delegate <approval> <person>')
    .description('give an open question to somebody else')
    .option('--from <name>', 'whose it is, where several people are asked (default: yours)')
    .option('--reason <text>', 'why')
    .option('--by <name>', 'who says so (default: your user name)')
    .action((id: string, to: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & DelegateOptions>()
      return session(options, async (opened) => delegate(opened, await findQuestion(opened.selvage, id), to, options))
    })
  program
    .command('respond <question> [value]')
    .description('answer an interrupt, a callback or a question for data with a JSON value (default null)')
    .option('--by <name>', 'who says so (default: your user name)')
    .action((id: string, value: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & AnswerOptions>()
      const given = { ...options, ...(value === undefined ? {} : { input: value }) }
      return session(options, async (opened) =>
        answer(opened, await findQuestion(opened.selvage, id), 'respond', given),
      )
    })
}

function addChanging(program: Command): void {
  program
    .command('signal <run> <name> [payload]')
    .description('send a run a named JSON value (default null)')
    .option('--id <id>', 'the first signal of an id wins (default: a random one)')
    .option('--by <name>', 'who sends it (default: your user name)')
    .action((id: string, name: string, payload: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly id?: string; readonly by?: string }>()
      return session(options, async ({ selvage, output }) => {
        const run = await findRun(selvage, id)
        const value = parseJson(payload ?? 'null', 'the payload')
        const given = { by: options.by ?? defaultBy(), ...(options.id === undefined ? {} : { id: options.id }) }
        const receipt = await run.signal(name, value, given)
        if (output.json) output.document({ runId: run.id, name, ...receipt })
        else if (receipt.accepted) output.line(`Signal ${name} sent to run ${run.id}.`)
        else output.line(`Run ${run.id} had a signal with that id before: ${JSON.stringify(receipt.first.payload)}.`)
      })
    })
  program
    .command('cancel <run>')
    .description('cancel a run: its code may still clean up, for 30 s')
    .option('--reason <text>', 'what its code and its callers are told', 'cancelled from the command line')
    .action((id: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly reason: string }>()
      return session(options, async ({ selvage, output }) => {
        const run = await findRun(selvage, id)
        await run.cancel(options.reason)
        const { status } = await run.status()
        if (output.json) output.document({ runId: run.id, status })
        else if (status === 'cancelled') output.line(`Run ${run.id} is cancelled.`)
        else output.line(`Run ${run.id} is told to cancel; a worker brings it to its end.`)
      })
    })
  program
    .command('resend <message>')
    .description('deliver a dead message after all')
    .action((id: string, _options, command: Command) =>
      session(command.optsWithGlobals(), (opened) => resend(opened, id)),
    )
  program
    .command('raise <run-or-pot>')
    .description('give a budget more: that of a run, or a pot such as tenant:acme; runs that ask for it go on')
    .option('--tokens <count>', 'so many tokens more', count(1, Number.MAX_SAFE_INTEGER))
    .option('--usd <dollars>', 'so many US dollars more', dollars)
    .option('--model-calls <count>', 'so many model calls more', count(1, Number.MAX_SAFE_INTEGER))
    .option('--tool-calls <count>', 'so many tool calls more', count(1, Number.MAX_SAFE_INTEGER))
    .option('--wall-clock <time>', "so much working time more, such as '10m'")
    .option('--id <id>', 'a raise of that id counts once')
    .action((target: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & RaiseOptions>()
      return session(options, (opened) => raise(opened, target, options))
    })
  const which = (command: Command): Command =>
    command
      .option('--failed', 'all that have failed (the default with the options below)')
      .option('--cancelled', 'all that were cancelled')
      .option('--program <name>', 'of this program')
      .option('--tenant <tenant>', 'of this tenant')
      .option('--tag <key=value>', 'with this tag')
      .option('--limit <count>', 'at most so many, newest first (default 1000)', count(1, 100_000))
      .option('--yes', 'do it; without it what would be done is listed')
  which(program.command('retry [run]'))
    .description('let a failed or cancelled run go on, or many: what failed is made again, what was done stands')
    .action((id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & BulkOptions>()
      return session(options, async (opened) => {
        if (isBulk(id, options) || id === undefined) return bulk(opened, 'retry', options)
        const { selvage, output } = opened
        const run = await findRun(selvage, id)
        await run.retry()
        const { status, program: name } = await run.status()
        const when = name.startsWith('inline:') ? 'when its own program invokes it' : 'as soon as a worker has it'
        if (output.json) output.document({ runId: run.id, status })
        else output.line(`Run ${run.id} goes on ${when}.`)
      })
    })
  which(program.command('discard [run]'))
    .description('take an ended run, or many, away for good, with all below it; nothing is done without --yes')
    .option('--completed', 'all that have completed')
    .option('--force', 'also where a message is not delivered or somebody is asked')
    .action((id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & BulkOptions>()
      return session(options, async (opened) => {
        if (isBulk(id, options) || id === undefined) return bulk(opened, 'discard', options)
        return discardOne(opened, await findRun(opened.selvage, id), options)
      })
    })
}

function addFork(program: Command): void {
  program
    .command('fork <run>')
    .description('a new run from the journal of another one; no effect of that one is repeated silently')
    .option(
      '--at <place>',
      'how many of its entries come before, or the key of the step that comes first (default: all)',
    )
    .option(
      '--effects <policy>',
      'reuse, dry-run or ask, or JSON by step or tool: \'{"charge":"ask"}\' (default reuse)',
    )
    .option('--input <json>', 'an input in place of that of the original')
    .option('--run-id <id>', 'of the new run (default: a random one)')
    .option('--program-version <version>', 'of its program (default: that of the original)')
    .action((id: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & ForkArguments>()
      return session(options, async (opened) => fork(opened, await findRun(opened.selvage, id), options))
    })
}

function addOperating(program: Command): void {
  program
    .command('work <module>')
    .description('work on the programs that a module registers, until SIGINT or SIGTERM')
    .option('--concurrency <count>', 'runs at once (default 100)', count(1, 100_000))
    .action((file: string, _options, command: Command) => work(file, command.optsWithGlobals<WorkOptions>()))
  program
    .command('doctor')
    .description('check this machine and the database; exit code 1 if something is wrong')
    .action((_options, command: Command) => doctor(command.optsWithGlobals()))
  program
    .command('backup <file>')
    .description('copy the database as it is now to a new file; programs that work on it go on')
    .action((file: string, _options, command: Command) => backup(file, command.optsWithGlobals()))
  program
    .command('serve', { hidden: true })
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw notBuilt(
        'selvage serve',
        "Use 'selvage list' and 'selvage show', or the package 'selvage' from your own server.",
      )
    })
}

function dollars(text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError('It is an amount of US dollars above 0.')
}

function count(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
  }
}

function explainUsage(text: string): void {
  explain(new UsageError('BAD_INPUT', text.trim().replace(/^error: /, '')), true)
}

function exitCodes(): string {
  const lines = Object.entries(EXIT).map(([name, code]) => `  ${code}  ${EXIT_MEANING[name as keyof typeof EXIT]}`)
  return `\nExit codes:\n${lines.join('\n')}`
}

function version(): string {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
