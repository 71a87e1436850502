/**
 * The refund experiment: a process is killed between an effect and its record, and another one goes on. How often has the
 * bank done what it should have done once?
 *
 * A seed says at which of the deeds the process dies, and how far it has come: the bank has acted and has not answered, the
 * answer has been read, or the record is on its way to the disk. The same seeds for every way, and for the same program
 * without Selvage: were it not for the duplicates of that one, the experiment could not fail.
 */
import type { ProbeName } from '@selvage/core'
import { BankProcess } from '../bank/bank-process.ts'
import { acted, DEEDS, duplicates } from '../bank/ledger.ts'
import { type End, patiently, spawnUntil } from '../conformance/lives.ts'
import { twoAtOnce } from '../crash/at-once.ts'
import type { Moment } from '../crash/kill-switch.ts'
import { type Given, Site } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { seededRandom } from '../random.ts'
import { type Returned, WAYS, type Way } from './returns.ts'

/** A program that takes goods back: see returns.ts for its deeds. */
export interface RefundProgram {
  given(returned: Returned): Given
  /** The same without Selvage: paths of main modules, by name. */
  readonly baselines: { readonly [name: string]: string }
}

export interface Refunds {
  readonly kills: number
  /** What the bank has done beyond the first time, by baseline. */
  readonly without: { readonly [name: string]: number }
  readonly duplicates: { readonly [way in Way]: number }
  /** What should have been, and was not. */
  readonly wrong: readonly string[]
}

export async function refunds(
  under: EngineUnderTest,
  program: RefundProgram,
  seeds: readonly number[],
): Promise<Refunds> {
  const honouring = await BankProcess.open()
  const forgetful = await BankProcess.open({ honoursKeys: false })
  const wrong: string[] = []

  /** Resolves with the number of duplicates. */
  async function count(name: string, way: Way, main?: string): Promise<number> {
    const bank = way === 'idempotent' ? honouring : forgetful
    const played = await twoAtOnce(seeds, async (seed) => {
      const order = `${name} ${seed}`
      const given = program.given({ order, way })
      const site = new Site(under, given, { runId: order, bank: bank.url })
      const end = endOf(under, seed, order, main !== undefined)
      try {
        return (await killOnce(site, bank, end, main)).map((each) => `${order}, ${JSON.stringify(end)}: ${each}`)
      } finally {
        await site.close()
      }
    })
    wrong.push(...played.flat())
    return duplicates(bank.lines().filter(({ order }) => order.startsWith(`${name} `)))
  }

  try {
    const without: { [name: string]: number } = {}
    for (const [name, main] of Object.entries(program.baselines)) without[name] = await count(name, 'once', main)
    const counts: { [way in Way]: number } = { idempotent: 0, once: 0, asked: 0 }
    for (const way of WAYS) counts[way] = await count(way, way)
    return { kills: seeds.length, without, duplicates: counts, wrong }
  } finally {
    await Promise.all([honouring.close(), forgetful.close()])
  }
}

/** For people, and for the documentation. */
export function figure({ kills, without, duplicates: { idempotent, once, asked } }: Refunds): string {
  const baselines = Object.entries(without).map(([name, count]) => `${name} ${count}`)
  return `duplicates per ${kills} kills: ${baselines.join(', ')}, idempotent ${idempotent}, once ${once}, once without reconcile ${asked}`
}

/** What is not as it must be. Without Selvage each kill has a duplicate: else it did not fall where it matters, and zeros say nothing. */
export function faults({ kills, without, duplicates, wrong }: Refunds): string[] {
  const repeated = WAYS.filter((way) => duplicates[way] > 0).map((way) => `${way} has ${duplicates[way]} duplicates`)
  const harmless = Object.entries(without)
    .filter(([, count]) => count < kills)
    .map(([name, count]) => `${name} has ${count} duplicates over ${kills} kills`)
  return [...wrong, ...repeated, ...harmless]
}

/** What lies between an answer that was read and its record. */
const BEHIND: readonly (Moment & ProbeName)[] = ['host.after-effect', 'host.before-append', 'store.before-commit']

function endOf(under: EngineUnderTest, seed: number, order: string, isPlain: boolean): End {
  const random = seededRandom(seed)
  const deed = random.pick(DEEDS)
  const moments = BEHIND.filter((moment) => under.neverHit?.[moment] === undefined)
  const how = random.pick(['silent', 'read', ...moments] as const)
  if (how === 'silent') return { deed, order }
  const read = { moment: 'effect.after', hit: 1 + DEEDS.indexOf(deed) } as const
  return how === 'read' || isPlain ? read : { ...read, thenAt: how }
}

/** One life that ends so, and one that is left in peace. Resolves with what is wrong about them, duplicates excepted. */
async function killOnce(site: Site, bank: BankProcess, end: End, main?: string): Promise<readonly string[]> {
  const first = await patiently(await spawnUntil(site, bank, end, main))
  const last = await patiently(await spawnUntil(site, bank, undefined, main))
  const wrong: string[] = []
  if (first.signal !== 'SIGKILL') wrong.push(`it was not killed, but ended with ${first.code ?? first.signal}`)
  if (last.code !== 0) wrong.push(`its second life ended with ${last.code ?? last.signal}`)
  const done = acted(bank.lines()).filter(({ order }) => order === site.runId)
  for (const deed of DEEDS) if (!done.some((line) => line.deed === deed)) wrong.push(`${deed} never happened`)
  return wrong
}
