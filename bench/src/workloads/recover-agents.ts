/** An agent, killed in the tool of its last cycle: ours, in its parts, and as others keep it. */
import type { AgentRecovery, KeptRecovery, SetUp } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure, ofRounds, type Section } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import type { Options, Setting } from '../workload.ts'
import { besideOthers, ourParts, type Taken, verdictOn } from './agent-recovery-tables.ts'
import { KEPT, type Kept } from './kept-agents.ts'

const CYCLES = { quick: [50, 200], whole: [50, 500, 5_000] }
const OTHERS = { quick: [50], whole: [50, 500, 5_000] }
const ROUNDS = { quick: 2, whole: 5 }
const OURS = 'Selvage, embedded engine'

/** Killed there, and ready to be taken up. */
interface KilledAgent {
  readonly title: string
  readonly cycles: number
  readonly setUp?: SetUp
  take(): Promise<AgentRecovery | KeptRecovery>
}

export interface KilledAgents {
  readonly killed: readonly KilledAgent[]
  /** Who is not there at which size, and why. */
  readonly absent: ReadonlyMap<string, string>
}

/** Others leave the field with a reason; ours may not. */
export async function killAgents({ quick, takesPart }: Setting): Promise<KilledAgents> {
  const mode = quick ? 'quick' : 'whole'
  const absent = new Map<string, string>()
  const others = KEPT.filter(({ title }) => takesPart('langgraph') || !title.startsWith('LangGraph'))
  const kill = async ({ title, most, prepare, take }: Kept): Promise<KilledAgent[]> => {
    const all: KilledAgent[] = []
    for (const cycles of OTHERS[mode].filter((wanted) => wanted <= most)) {
      const folder = scratchFolder()
      try {
        await prepare(folder, cycles)
        all.push({ title, cycles, take: () => take(folder, cycles) })
      } catch (error) {
        absent.set(nameOf(title, cycles), reasonOf(error))
      }
    }
    return all
  }
  const [ours, ...kept] = await Promise.all([killOurs(CYCLES[mode]), ...others.map(kill)])
  const bySize = kept.flat().sort((a, b) => a.cycles - b.cycles)
  return { killed: [...ours, ...bySize], absent }
}

export async function recoverAgents(
  { killed, absent: before }: KilledAgents,
  { quick, until }: Options,
): Promise<Pick<Section, 'tables' | 'verdicts' | 'notes'>> {
  const mode = quick ? 'quick' : 'whole'
  const absent = new Map(before)
  const attempt = async ({ title, cycles, take }: KilledAgent): Promise<AgentRecovery | KeptRecovery | undefined> => {
    try {
      if (title !== OURS && performance.now() > until) throw new Error('no time was left for it')
      return await take()
    } catch (error) {
      if (title === OURS) throw error
      absent.set(nameOf(title, cycles), reasonOf(error))
      return undefined
    }
  }
  const blocks = killed.map((each) => () => attempt(each))
  const results = await interleave(blocks, { warmUp: 0, rounds: ROUNDS[mode], until })
  const taken = killed.map(({ title, cycles, setUp }, index): Taken => {
    const rounds = (results[index] ?? []).filter((each) => each !== undefined)
    return { title, cycles, setUp, rounds }
  })
  const ours = taken.filter(({ title }) => title === OURS) as readonly Taken<AgentRecovery>[]
  const done = ours[0]?.rounds.length ?? 0
  return {
    tables: [ourParts(ours, done), besideOthers(taken, done)],
    verdicts: ours.slice(-2).map(verdictOn),
    notes: [
      'Agents: all of the SDK that our packages take is imported first, and *our import* is what they add to it, as they are ' +
        'published (`npm run pack`). *Compile cache*: with NODE_COMPILE_CACHE, which `selvage work` has by itself, filled by ' +
        'a process before them.',
      'SessionManager and checkpointing (FileStorage, without fsync) and LangGraph (SQLite, synchronous=full): what a kill ' +
        'in the tool leaves behind was saved once, in that tool, as saving all messages at each of thousands of cycles takes ' +
        'gigabytes. Checkpointing is not taken up at 5,000 cycles: it needs ten thousand invocations to come ' +
        'there, which take minutes. OpenWorkflow, DBOS, Restate and Vercel Workflow bring no agent of their own in these packages.',
      '*First call: repeated*: whether the first call of a cold process had been recorded before the kill. How many calls a kill ' +
        'repeats in all is counted in the last table of *An agent by its cycles*.',
      ...[...absent].map(([who, reason]) => {
        const rounds = taken.find(({ title, cycles }) => nameOf(title, cycles) === who)?.rounds.length ?? 0
        return `**${who}** ${rounds === 0 ? 'is missing here' : `has ${ofRounds(rounds)} only`}: ${reason}.`
      }),
      ...fewer(done, `agents, ${quick ? 'quick' : 'the time of this section was over'}`),
    ],
  }
}

async function killOurs(sizes: readonly number[]): Promise<readonly KilledAgent[]> {
  const { agentRecovery } = contender('selvage')
  if (agentRecovery === undefined) throw new Error('no recovery to measure')
  const folders = sizes.map(scratchFolder)
  await Promise.all(sizes.map((cycles, index) => agentRecovery.prepare(folders[index] as string, cycles)))
  const killed = sizes.map((cycles, index): KilledAgent => {
    return { title: OURS, cycles, take: () => agentRecovery.take(folders[index] as string, cycles) }
  })
  const cycles = sizes.at(-1) as number
  const setUp = { compileCache: scratchFolder() }
  const take = (): Promise<AgentRecovery> => agentRecovery.take(folders.at(-1) as string, cycles, setUp)
  await take()
  return [...killed, { title: OURS, cycles, setUp, take }]
}

function nameOf(title: string, cycles: number): string {
  return `${title}, ${figure(cycles)} cycles`
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
