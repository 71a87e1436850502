/**
 * The conformance sections: what must hold of any engine. One call in a test file of the engine runs all of them:
 *
 *     await conformance({ open, module: new URL('../test/under-test.ts', import.meta.url).href })
 *
 * The engine is given as a module, because worker processes that are killed import it, too.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Manifest } from '@selvage/core'
import { describe } from 'vitest'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { approvals } from './approvals.ts'
import { callbacks } from './callbacks.ts'
import { cancelling } from './cancelling.ts'
import { checkpointValidity } from './checkpoint-validity.ts'
import { children } from './children.ts'
import { coldStart } from './cold-start.ts'
import { consumeOnce } from './consume-once.ts'
import { crashMatrix } from './crash-matrix.ts'
import { exactlyOnce } from './exactly-once.ts'
import { forkDeterminism } from './fork-determinism.ts'
import { PATIENT_MS } from './given.ts'
import { inspecting, listing } from './inspect.ts'
import { leaveOut } from './leave-out.ts'
import { longHistory } from './long-history.ts'
import { manifestSection } from './manifest.ts'
import { oneAnswer } from './one-answer.ts'
import { payloads } from './payloads.ts'
import { prefixContinuation } from './prefix-continuation.ts'
import { randomKills } from './random-kills.ts'
import { recorded } from './record.ts'
import { recoveryDeterminism } from './recovery-determinism.ts'
import { retries } from './retries.ts'
import { rivals } from './rivals.ts'
import { runRetry } from './run-retry.ts'
import { sagas } from './sagas.ts'
import type { Section } from './section.ts'
import { signals } from './signals.ts'
import { starting } from './starting.ts'
import { steps } from './steps.ts'
import { streaming } from './streaming.ts'
import { takeover } from './takeover.ts'
import { timers } from './timers.ts'

export type { Scenario } from '../crash/scenario.ts'
export type { Damage, EngineModule, EngineUnderTest, OpenedEngine, PlaceOptions } from '../crash/under-test.ts'
export { type EveryStep, killInEveryStep } from './every-step.ts'
export { type Inside, inside } from './inside.ts'
export { leaveOut } from './leave-out.ts'
export type { EngineRecord, SectionRecord } from './record.ts'
export type { Kit, Section } from './section.ts'

/** What programs may rely on, in the order in which one would build it. Nobody is killed. */
const INSIDE: readonly Section[] = [
  manifestSection,
  starting,
  steps,
  coldStart,
  retries,
  runRetry,
  timers,
  signals,
  callbacks,
  approvals,
  children,
  cancelling,
  sagas,
  longHistory,
  streaming,
  inspecting,
  listing,
]

/** Worker processes that die by SIGKILL, stand still, and race each other. */
const KILLED: readonly Section[] = [crashMatrix, randomKills, rivals, takeover, oneAnswer]

/** The six properties of the published yardstick, with a bank in another process as the judge: docs/yardstick.md. */
export const YARDSTICK: readonly Section[] = [
  prefixContinuation,
  exactlyOnce,
  forkDeterminism,
  checkpointValidity,
  consumeOnce,
  recoveryDeterminism,
]

/** Leaves so much behind that a server which all sections share may be the slower for it. */
const LAST: readonly Section[] = [payloads]

export const SECTIONS: readonly Section[] = [...INSIDE, ...KILLED, ...YARDSTICK, ...LAST]

/**
 * Registers the tests of all sections, those of `under.more` included, and for each section that the manifest rules out a
 * skipped test that says why. `sections`: only these.
 */
export async function conformance(under: EngineUnderTest, sections?: readonly Section[]): Promise<void> {
  const manifest = await manifestOf(under)
  const name = under.name ?? manifest.name
  describe(`${name}:`, () => {
    recorded(name)
    for (const section of sections ?? [...SECTIONS, ...(under.more ?? [])]) {
      const reason = section.skip?.(manifest)
      if (reason === undefined) {
        describe(section.title, { timeout: PATIENT_MS }, () => section.register({ under, manifest }))
      } else {
        leaveOut(section.title, reason)
      }
    }
  })
}

async function manifestOf({ open }: EngineUnderTest): Promise<Manifest> {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-manifest-'))
  try {
    const { engine } = await open(folder)
    await engine.close()
    return engine.manifest
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
