/**
 * FD, by the bank and by what the program saw: a fork begins with the past of the original, is the same fork however often
 * it is made or killed, repeats nothing that was done, and leaves the original as it is.
 */
import { expect, test } from 'vitest'
import { sendSignals } from '../crash/drive-run.ts'
import type { KillAt } from '../crash/kill-switch.ts'
import type { TaskProcess } from '../crash/process.ts'
import { deedsFor, shipment } from '../crash/shipment.ts'
import { Site } from '../crash/site.ts'
import { ended } from '../watching.ts'
import { openBank } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'
import { misdeeds, patiently } from './lives.ts'
import type { Section } from './section.ts'
import { reached, survivors } from './survivors.ts'

/** Keys of the steps that come first in a fork, and what the program tells last before: what it draws behind is the fork's. */
const PLACES = [
  ['charge goods', 'chance'],
  ['mail customer', 'charge goods'],
  ['refund deposit', 'paid'],
  ['mail thanks', 'refund deposit'],
] as const

/** Of the two forks made at each place one is killed, here. */
const DEATH: KillAt = { moment: 'host.before-append', hit: 1 }

export const forkDeterminism: Section = {
  title: 'FD, fork determinism: a fork has the past of its original, and repeats none of it',
  skip: (manifest) =>
    manifest.abilities.fork === true ? survivors(manifest) : 'its manifest says that it cannot fork runs',
  register({ under }) {
    const bank = openBank({ honoursKeys: false })
    const death: KillAt = { ...DEATH, moment: reached(under, DEATH.moment) }

    const toldBy = (processes: readonly TaskProcess[], runId: string): readonly (readonly string[])[] =>
      processes
        .flatMap(({ news }) => news.flatMap(({ told }) => (told === undefined ? [] : [told as readonly string[]])))
        .filter(([id]) => id === runId)
        .map(([, ...seen]) => seen)
        // Time is that of the fork: it began when it was made.
        .filter(([what]) => what !== 'begin' && what !== 'rested')

    test(
      'forked twice at each of four places, at a bank that honours no keys; every other fork is killed',
      async () => {
        const runId = 'original'
        const given = shipment(runId)
        const site = new Site(under, given, { runId, bank: bank().url })
        try {
          const first = site.spawn('drive')
          expect((await patiently(first)).code).toBe(0)
          const past = toldBy([first], runId)
          const original = await site.look()
          const lines = bank().lines()
          expect(misdeeds(lines, deedsFor(runId))).toEqual([])

          for (const [key, behind] of PLACES) {
            for (const kill of [undefined, death]) {
              const forkId = `fork at ${key}${kill === undefined ? '' : ', killed'}`
              await site.with(
                (engine) => engine.fork?.(runId, { runId: forkId, at: key, effects: 'reuse' }) ?? Promise.reject(),
              )
              const workers = kill === undefined ? [] : [site.spawn('work', { kill })]
              for (const each of workers) expect((await patiently(each)).signal).toBe('SIGKILL')
              const last = site.spawn('work')
              const outcome = await site.with(async (engine) => {
                await sendSignals(engine, given.scenario, forkId)
                return ended(engine, forkId)
              })
              last.kill()
              await last.exited
              expect(outcome, forkId).toEqual({ ok: 'thanks' })
              const { forkedFrom } = (await site.with((engine) => engine.describe(forkId))).start
              // Whose signals came late has nothing before its first step, and draws all of its chance itself.
              const told = forkedFrom?.entries === 0 ? 0 : 1 + past.findIndex(([what]) => what === behind)
              const shared = past.slice(0, told)
              const whole = toldBy([last], forkId)
              expect(whole.slice(0, shared.length), forkId).toEqual(shared)
              for (const each of workers) {
                const seen = toldBy([each], forkId)
                expect(seen, forkId).toEqual(whole.slice(0, seen.length))
              }
              expect(whole.length, forkId).toBe(past.length)
            }
          }
          expect(bank().lines()).toEqual(lines)
          expect((await site.look()).runs).toEqual(original.runs)
        } finally {
          await site.close()
        }
      },
      PATIENT_MS,
    )
  },
}
