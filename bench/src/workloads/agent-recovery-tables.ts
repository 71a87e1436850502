/** What was taken of agents that were killed, as tables. */
import type { AgentRecovery, KeptRecovery, SetUp } from '../contender.ts'
import { decisions } from '../decision.ts'
import { figure, ofRounds, type Table, type Verdict, withQuartiles } from '../report.ts'
import { median, spread } from '../statistics.ts'

const PROMISED_MS = 200
/** One way at one size, with what its rounds gave. */
export interface Taken<Report = AgentRecovery | KeptRecovery> {
  readonly title: string
  readonly cycles: number
  /** Undefined: a process as it is. */
  readonly setUp: SetUp | undefined
  readonly rounds: readonly Report[]
}

export function ourParts(ours: readonly Taken<AgentRecovery>[], done: number): Table {
  const rows = ours.map(({ cycles, setUp, rounds }) => {
    const part = (of: (recovery: AgentRecovery) => number): string => figure(median(rounds.map(of)))
    return [
      `${figure(cycles)} cycles${setUp === undefined ? '' : ', compile cache'}`,
      part((r) => r.nodeStarted),
      part((r) => r.sdkImported - r.nodeStarted),
      part((r) => r.imported - r.sdkImported),
      part((r) => r.opened - r.imported),
      part((r) => r.claimed - r.opened),
      part((r) => r.loaded - r.claimed),
      part((r) => r.made - r.loaded),
      part((r) => r.nextStep - r.made),
      withQuartiles(spread(rounds.map((r) => r.nextStep - r.imported))),
      withQuartiles(spread(rounds.map((r) => r.nextStep))),
      isRepeated(rounds),
    ]
  })
  return {
    caption: `**Agents** (${ofRounds(done)})`,
    head: [
      ...['', 'Node start', 'SDK import', 'our import', 'open', 'claim', 'load', 'replay', 'fold'],
      ...['from import to next call', 'from process start to next call', 'first call: repeated'],
    ],
    rows,
  }
}

export function besideOthers(taken: readonly Taken[], done: number): Table {
  const rows = taken
    .filter(({ rounds, setUp }) => rounds.length > 0 && setUp === undefined)
    .map(({ title, cycles, rounds }) => [
      `${title}, ${figure(cycles)} cycles`,
      figure(median(rounds.map((r) => r.imported - r.nodeStarted))),
      withQuartiles(spread(rounds.map((r) => r.nextStep - r.imported))),
      withQuartiles(spread(rounds.map((r) => r.nextStep))),
      firstCall(rounds),
      isRepeated(rounds),
    ])
  return {
    caption: `**Agents, beside what else keeps one** (${ofRounds(done)}, the same ones)`,
    head: [
      ...['', 'import', 'from import to first call', 'from process start to first call'],
      ...['what is called first', 'first call: repeated'],
    ],
    rows,
  }
}

/** Of the first call only: a process is killed in it. */
function isRepeated(rounds: readonly (AgentRecovery | KeptRecovery)[]): string {
  const times = rounds.filter(({ repeated }) => repeated > 0).length
  if (times === 0) return 'no'
  return times === rounds.length ? 'yes' : `${times} of ${rounds.length} times`
}

function firstCall(rounds: readonly (AgentRecovery | KeptRecovery)[]): string {
  return rounds.every(({ repeated }) => repeated === 0) ? 'the tool that was in flight' : 'the model, again'
}

export function verdictOn({ cycles, setUp, rounds }: Taken<AgentRecovery>): Verdict {
  const total = spread(rounds.map((r) => r.nextStep - r.imported))
  return {
    what: `next call of an agent of ${figure(cycles)} cycles after kill -9${setUp === undefined ? '' : ', compile cache'}`,
    promised: `≤ ${PROMISED_MS} ms after import`,
    measured: `${withQuartiles(total)} ms`,
    kept: total.median <= PROMISED_MS && rounds.every(({ repeated }) => repeated === 0),
    why: whyOver(rounds),
  }
}

function whyOver(rounds: readonly AgentRecovery[]): string {
  const part = (of: (recovery: AgentRecovery) => number): string => figure(median(rounds.map(of)))
  return (
    `${part((r) => r.loaded - r.claimed)} ms are the journal, read and decoded, ${part((r) => r.made - r.loaded)} its replay, ` +
    `${part((r) => r.nextStep - r.made)} its fold into the conversation: all messages become objects of the SDK’s own and ` +
    `are shown to its loop; opening and claiming take ${part((r) => r.claimed - r.imported)}. A process this young still ` +
    `compiles what it runs${decisions('. What was mended', '0047-what-a-cold-resume-reads-once')}`
  )
}
