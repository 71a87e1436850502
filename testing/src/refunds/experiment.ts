/**
 * The refund experiment: a process is killed between an effect and its record, and another one goes on. How often has the
 * bank done what it should have done once?
 *
 * A seed says at which of the deeds the process dies, and how far it has come: the bank has acted and has not answered, the
 * answer has been read, or the record is on its way to the disk. The same seeds for every way, the plain one included: were
 * it not for its duplicates, the experiment could not fail.
 */
import { fileURLToPath } from 'node:url'
import { BankProcess } from '../bank/bank-process.ts'
import { acted, DEEDS, type Deed, duplicates } from '../bank/ledger.ts'
import { patiently } from '../conformance/lives.ts'
import { twoAtOnce } from '../crash/at-once.ts'
import type { KillAt, Moment } from '../crash/kill-switch.ts'
import type { Exit, TaskProcess } from '../crash/process.ts'
import { Site } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { seededRandom } from '../random.ts'
import { returns, WAYS, type Way } from './returns.ts'

const PLAIN = fileURLToPath(new URL('../../dist/refunds/plain.js', import.meta.url))
export interface Refunds {
  readonly kills: number
  /** What the bank has done beyond the first time. */
  readonly duplicates: { readonly [way in Way | 'plain']: number }
  /** What should have been, and was not. */
  readonly wrong: readonly string[]
}

export async function refunds(under: EngineUnderTest, seeds: readonly number[]): Promise<Refunds> {
  const honouring = await BankProcess.open()
  const forgetful = await BankProcess.open({ honoursKeys: false })
  try {
    const counts: { [way in Way | 'plain']: number } = { plain: 0, idempotent: 0, once: 0, asked: 0 }
    const wrong: string[] = []
    for (const way of ['plain', ...WAYS] as const) {
      const bank = way === 'idempotent' ? honouring : forgetful
      const plays = await twoAtOnce(seeds, (seed) => playReturn(under, bank, way, seed))
      wrong.push(...plays.flat())
      counts[way] = duplicates(bank.lines().filter(({ order }) => order.startsWith(`${way}-`)))
    }
    return { kills: seeds.length, duplicates: counts, wrong }
  } finally {
    await Promise.all([honouring.close(), forgetful.close()])
  }
}

/** For people, and for the documentation. */
export function figure({ kills, duplicates: { plain, idempotent, once, asked } }: Refunds): string {
  return `duplicates per ${kills} kills: plain ${plain}, idempotent ${idempotent}, once ${once}, once without reconcile ${asked}`
}

/** What is not as it must be. Plain must have duplicates: else the kills do not fall where it matters, and zeros say nothing. */
export function faults({ kills, duplicates, wrong }: Refunds): string[] {
  const repeated = WAYS.filter((way) => duplicates[way] > 0).map((way) => `${way} has ${duplicates[way]} duplicates`)
  const harmless = `the plain program has ${duplicates.plain} duplicates over ${kills} kills`
  return [...wrong, ...repeated, ...(duplicates.plain < kills ? [harmless] : [])]
}

/** Where a process dies: the bank has acted on `deed` and keeps silent, or the process has come so far itself. */
type End = { readonly deed: Deed; readonly silent: true } | { readonly deed: Deed; readonly kill: KillAt }

/** What lies between an answer that was read and its record. */
const BEHIND: readonly Moment[] = ['host.after-effect', 'host.before-append', 'store.before-commit']

function endOf(under: EngineUnderTest, seed: number, isPlain: boolean): End {
  const random = seededRandom(seed)
  const deed = random.pick(DEEDS)
  const moments = BEHIND.filter((moment) => under.neverHit?.[moment as keyof typeof under.neverHit] === undefined)
  const how = random.pick(['silent', 'read', ...moments] as const)
  if (how === 'silent') return { deed, silent: true }
  const read: KillAt = { moment: 'effect.after', hit: 1 + DEEDS.indexOf(deed) }
  return { deed, kill: how === 'read' || isPlain ? read : { ...read, thenAt: how } }
}

/** Resolves with what is wrong about it, duplicates excepted. */
async function playReturn(
  under: EngineUnderTest,
  bank: BankProcess,
  way: Way | 'plain',
  seed: number,
): Promise<readonly string[]> {
  const order = `${way}-${seed}`
  const isPlain = way === 'plain'
  const given = returns({ order, way: isPlain ? 'idempotent' : way })
  const site = new Site(under, given, { runId: order, bank: bank.url })
  const live = (kill?: KillAt): TaskProcess =>
    site.spawn('drive', { ...(kill !== undefined && { kill }), ...(isPlain && { main: PLAIN }) })
  try {
    const end = endOf(under, seed, isPlain)
    const first = await ('silent' in end ? killedInSilence(bank, end.deed, order, live) : patiently(live(end.kill)))
    const last = await patiently(live())
    const wrong: string[] = []
    if (first.signal !== 'SIGKILL') wrong.push(`it was not killed, but ended with ${first.code ?? first.signal}`)
    if (last.code !== 0) wrong.push(`its second life ended with ${last.code ?? last.signal}`)
    const done = acted(bank.lines()).filter((line) => line.order === order)
    for (const deed of DEEDS) if (!done.some((line) => line.deed === deed)) wrong.push(`${deed} never happened`)
    return wrong.map((each) => `${order}, ${JSON.stringify(end)}: ${each}`)
  } finally {
    await site.close()
  }
}

/** Killed from outside when the bank has acted, and before it has answered. */
async function killedInSilence(bank: BankProcess, deed: Deed, order: string, live: () => TaskProcess): Promise<Exit> {
  await bank.expect({ deed, order, how: 'hold' })
  const acted = bank.next((line) => line.deed === deed && line.order === order)
  const process = live()
  await Promise.race([acted, process.exited])
  process.kill()
  return process.exited
}
