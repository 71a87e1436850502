/** Sagas whose processes are killed by a real SIGKILL before and behind each effect, compensations included. */
import { type EngineUnderTest, killInEveryStep } from '@selvage/testing/conformance'
import { describe } from 'vitest'
import { scenario as cancelled } from '../test/saga-cancelled.ts'
import { scenario as failed } from '../test/saga-failed.ts'
import { open } from '../test/under-test.ts'

const urlOf = (name: string): string => new URL(`../test/${name}.ts`, import.meta.url).href
const under: EngineUnderTest = { open, module: urlOf('under-test') }

describe('a trip that fails and is undone', () => {
  const given = { scenario: failed, module: urlOf('saga-failed') }
  killInEveryStep(under, { given, effects: 6 + 6, moments: ['effect.before', 'effect.after'] })
})

describe('a trip that is cancelled and undone', () => {
  const given = { scenario: cancelled, module: urlOf('saga-cancelled') }
  killInEveryStep(under, { given, effects: 5 + 4 })
})
