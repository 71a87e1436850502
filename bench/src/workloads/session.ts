/** How soon a long session answers in a process that has just started, and what it leaves on disk. */
import { cpSync, statSync } from 'node:fs'
import type { Chat, Contender, Continued, SetUp } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { figure, ofRounds, type Section, type Table, type Verdict, withQuartiles } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { median, type Spread, spread } from '../statistics.ts'
import type { Options, Workload } from '../workload.ts'

const WHOLE = [50, 500, 5_000]
const QUICK = [50, 200]
const ROUNDS = 5
const PROMISED_FOR = 5_000
const PROMISED_MS = 100

interface Size {
  readonly messages: number
  readonly folder: string
  readonly made: Chat
}

/** Sessions of that size, in processes that start so. */
interface Case {
  readonly size: Size
  readonly setUp: SetUp
}

/** What was measured of a case. */
interface Measured extends Case {
  readonly taken: readonly Continued[]
  /** Median. */
  readonly plain: number
}

type ChatOf = NonNullable<Contender['chat']>

export const session: Workload = {
  name: 'session',
  async prepare({ quick }) {
    const { chat, databaseFile } = contender('selvage')
    if (chat === undefined || databaseFile === undefined) throw new Error('no session to measure')
    const sizes = await Promise.all((quick ? QUICK : WHOLE).map((messages) => makeOf(chat, messages)))
    const advised: Case = { size: sizes.at(-1) as Size, setUp: { compileCache: scratchFolder() } }
    await take(chat, advised)
    const cases = [...sizes.map((size): Case => ({ size, setUp: {} })), advised]
    return (options) => goOn(chat, databaseFile, cases, options)
  },
}

async function goOn(
  chat: ChatOf,
  databaseFile: NonNullable<Contender['databaseFile']>,
  cases: readonly Case[],
  { quick, until }: Options,
): Promise<Section> {
  const blocks = cases.map((each) => () => take(chat, each))
  const alone = cases.map(
    ({ size, setUp }) =>
      () =>
        chat.plain(size.messages, setUp),
  )
  const measured = await interleave<Continued | number>([...blocks, ...alone], {
    warmUp: 0,
    rounds: quick ? 1 : ROUNDS,
    until,
  })
  const rounds = measured[0]?.length ?? 0
  const results = cases.map(
    (each, index): Measured => ({
      ...each,
      taken: measured[index] as Continued[],
      plain: median(measured[cases.length + index] as number[]),
    }),
  )
  const [small] = results as [Measured]
  const [before, large, advised] = results.slice(-3) as [Measured, Measured, Measured]
  const more = own(large).median - own(small).median
  const perMessage = (more / (large.size.messages - small.size.messages)) * 1_000
  return {
    title: 'A session that goes on',
    how:
      'A session with an agent, `selvage.agent(…).session(id)`: messages and answers of 200 B in turn, all of ' +
      'them in the conversation (NullConversationManager), from a model that answers at once. A cold process ' +
      'opens it and sends one message more, with durability full; what is measured ends when the model is ' +
      `asked for the answer. Milliseconds, medians of ${ofRounds(rounds)}, interleaved, each on a fresh copy of ` +
      'the database; sums with quartiles. *Our import*: all of our packages, once the SDK is there; *our time* ' +
      'begins with it. *Send*: until the message is durable. *Replay*: from the loaded entries to the author’s ' +
      'factory. *Fold*: from there to the model: the commit that takes the message, the conversation, and the ' +
      'SDK’s loop. *SDK alone*: what the SDK takes without us to make the same agent and, from its invocation, to come to ' +
      'the model, in a cold process that has as many messages in memory. *Our time*: all from behind the SDK’s import, without ' +
      'that. Our packages are those that `npm run pack` makes, as they are published. *Compile cache*: the same with ' +
      'NODE_COMPILE_CACHE, filled by a process before them, for the SDK alone as well; docs/sessions.md advises it, and ' +
      '`selvage work` has it by itself.',
    tables: [
      timesTable(results),
      bytesTable(
        results.slice(0, -1).map(({ size }) => size),
        databaseFile,
      ),
    ],
    verdicts: large.size.messages < PROMISED_FOR ? [] : [verdictOn(large), verdictOn(advised)],
    notes: [
      `Each further message costs ${figure(perMessage)} µs; ${figure(own(large).median / own(before).median)} times the ` +
        `time for ${figure(large.size.messages / before.size.messages)} times the messages.`,
      'In every round the model was asked once, and was shown all messages and the new one.',
      'The file after its last checkpoint, with everything in it: schema, indexes, the run, and the entries of ' +
        'each turn beside its two messages. *Tracking ids*: under *An agent by its cycles*.',
      ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
    ],
  }
}

async function makeOf(chat: ChatOf, messages: number): Promise<Size> {
  const folder = scratchFolder()
  const made = await chat.make(folder, messages)
  if (made.messages !== messages) throw new Error(`${messages} messages were sent, ${made.messages} are there`)
  return { messages, folder, made }
}

async function take(chat: ChatOf, { size: { folder, messages }, setUp }: Case): Promise<Continued> {
  const copy = scratchFolder()
  cpSync(folder, copy, { recursive: true })
  return checked(await chat.take(copy, messages, setUp), messages)
}

function verdictOn(measured: Measured): Verdict {
  const { taken } = measured
  return {
    what: `a session opened and continued, ${nameOf(measured)}`,
    promised: `≤ ${PROMISED_MS} ms of our own time`,
    measured:
      `${withQuartiles(own(measured))} ms; with what the SDK takes by itself ` + `${figure(median(taken.map(whole)))}`,
    kept: own(measured).median <= PROMISED_MS,
    why: whyOver(taken),
  }
}

function whyOver(taken: readonly Continued[]): string {
  const part = (of: (continued: Continued) => number): string => figure(median(taken.map(of)))
  return (
    `${part((c) => c.imported - c.sdkImported)} ms are the import of our packages, ${part((c) => c.claimed - c.imported)} until the message is ` +
    `durable and the run claimed, ${part((c) => c.loaded - c.claimed)} the journal, read and decoded, ${part((c) => c.asked - c.loaded)} replay ` +
    'and fold, the SDK’s own part of it included: each message becomes an object of the SDK’s and is shown to its loop' +
    decisions('. What was mended', '0047-what-a-cold-resume-reads-once', '0043-packages-are-published-in-few-files')
  )
}

function nameOf({ size: { messages }, setUp: { compileCache } }: Case): string {
  return `${figure(messages)} messages${compileCache === undefined ? '' : ', compile cache'}`
}

/** Our own time. */
function own({ taken, plain }: Measured): Spread {
  return spread(taken.map((each) => whole(each) - plain))
}

/** From behind the SDK’s import to the model. */
function whole({ sdkImported, asked }: Continued): number {
  return asked - sdkImported
}

function checked(taken: Continued, messages: number): Continued {
  const { seen, calls, sdkImported, imported, opened, sent, claimed, loaded, made, asked } = taken
  if (seen !== messages + 1 || calls !== 1) {
    throw new Error(`the model was asked ${calls} times, with ${seen} messages in place of ${messages + 1}`)
  }
  const times = [sdkImported, imported, opened, sent, claimed, loaded, made, asked]
  if (times.some((time, index) => time < (times[index - 1] ?? 0))) {
    throw new Error(`the parts of a session's time are not in order: ${times.map(figure).join(', ')}`)
  }
  return taken
}

function timesTable(results: readonly Measured[]): Table {
  const part = (taken: readonly Continued[], of: (continued: Continued) => number): string =>
    figure(median(taken.map(of)))
  return {
    head: [
      '',
      'SDK import',
      'our import',
      'open',
      'send',
      'claim',
      'load',
      'replay',
      'fold',
      'all',
      'SDK alone',
      'our time',
    ],
    rows: results.map((measured) => {
      const { taken, plain } = measured
      return [
        nameOf(measured),
        part(taken, (c) => c.sdkImported - c.nodeStarted),
        part(taken, (c) => c.imported - c.sdkImported),
        part(taken, (c) => c.opened - c.imported),
        part(taken, (c) => c.sent - c.opened),
        part(taken, (c) => c.claimed - c.sent),
        part(taken, (c) => c.loaded - c.claimed),
        part(taken, (c) => c.made - c.loaded),
        part(taken, (c) => c.asked - c.made),
        withQuartiles(spread(taken.map(whole))),
        figure(plain),
        withQuartiles(own(measured)),
      ]
    }),
  }
}

function bytesTable(sizes: readonly Size[], databaseFile: (folder: string) => string): Table {
  return {
    head: [
      ...['', 'messages KiB', 'file KiB', 'B a message, as JSON', 'B a message, on disk', 'ratio'],
      'ratio, without tracking ids',
    ],
    rows: sizes.map(({ messages, folder, made: { messageBytes, untrackedBytes } }) => {
      const stored = statSync(databaseFile(folder)).size
      return [
        `${figure(messages)} messages`,
        figure(messageBytes / 1_024),
        figure(stored / 1_024),
        figure(messageBytes / messages),
        figure(stored / messages),
        (stored / messageBytes).toFixed(3),
        (stored / untrackedBytes).toFixed(3),
      ]
    }),
  }
}
