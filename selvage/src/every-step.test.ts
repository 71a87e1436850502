/** An agent that is killed in each model call and each tool: text, messages and usage are those of one that was not. */
import { type EngineUnderTest, killInEveryStep } from '@selvage/testing/conformance'
import { describe } from 'vitest'
import { scenario as fiveAtOnce } from '../test/agent-five-at-once.ts'
import { scenario as oneByOne } from '../test/agent-one-by-one.ts'
import { scenario as hard } from '../test/agent-soak.ts'
import { open } from '../test/under-test.ts'

const urlOf = (name: string): string => new URL(`../test/${name}.ts`, import.meta.url).href
const under: EngineUnderTest = { open, module: urlOf('under-test') }

describe('an agent that calls one tool a cycle', () => {
  killInEveryStep(under, { given: { scenario: oneByOne, module: urlOf('agent-one-by-one') }, effects: 4 + 3 })
})

describe('an agent that calls five tools at once', () => {
  killInEveryStep(under, { given: { scenario: fiveAtOnce, module: urlOf('agent-five-at-once') }, effects: 2 + 5 })
})

describe('an agent whose tools ask, pay and write state, some of them at once', () => {
  killInEveryStep(under, { given: { scenario: hard, module: urlOf('agent-soak') }, effects: 4 + 8 })
})
