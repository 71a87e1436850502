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
import { describe, test } from 'vitest'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { checkpointValidity } from './checkpoint-validity.ts'
import { consumeOnce } from './consume-once.ts'
import { crashMatrix } from './crash-matrix.ts'
import { exactlyOnce } from './exactly-once.ts'
import { forkDeterminism } from './fork-determinism.ts'
import { oneAnswer } from './one-answer.ts'
import { prefixContinuation } from './prefix-continuation.ts'
import { randomKills } from './random-kills.ts'
import { recoveryDeterminism } from './recovery-determinism.ts'
import { rivals } from './rivals.ts'
import type { Section } from './section.ts'
import { starting } from './starting.ts'
import { takeover } from './takeover.ts'

export type { Scenario } from '../crash/scenario.ts'
export type { EngineModule, EngineUnderTest, OpenedEngine, PlaceOptions } from '../crash/under-test.ts'
export { type EveryStep, killInEveryStep } from './every-step.ts'
export type { Kit, Section } from './section.ts'

export const SECTIONS: readonly Section[] = [starting, crashMatrix, randomKills, rivals, takeover, oneAnswer]

/** The six properties of the published yardstick, with a bank in another process as the judge: docs/yardstick.md. */
export const YARDSTICK: readonly Section[] = [
  prefixContinuation,
  exactlyOnce,
  forkDeterminism,
  checkpointValidity,
  consumeOnce,
  recoveryDeterminism,
]

/** Registers the tests of all sections, and for each one that the manifest rules out a skipped test that says why. */
export async function conformance(under: EngineUnderTest, sections: readonly Section[] = SECTIONS): Promise<void> {
  const manifest = await manifestOf(under)
  describe(`${manifest.name}:`, () => {
    for (const section of sections) {
      const reason = section.skip?.(manifest)
      if (reason === undefined) describe(section.title, () => section.register({ under, manifest }))
      else {
        console.info(`${manifest.name}: "${section.title}" is skipped: ${reason}`)
        test(section.title, ({ skip }) => skip(reason))
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
