import { describe, expect, it } from 'vitest'
import { chooseModel, chooseProvider, describeModels } from './models.ts'

const mind = () => ({ text: 'offline' })

describe('the choice of a model', () => {
  it('follows the keys that are there, and what was asked for before all', () => {
    expect(chooseProvider({})).toBe('offline')
    expect(chooseProvider({ ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'b' })).toBe('anthropic')
    expect(chooseProvider({ OPENAI_BASE_URL: 'http://localhost/v1' })).toBe('openai')
    expect(chooseProvider({ AWS_PROFILE: 'dev' })).toBe('bedrock')
    expect(chooseProvider({ SELVAGE_PROVIDER: 'offline', ANTHROPIC_API_KEY: 'a' })).toBe('offline')
    expect(() => chooseProvider({ SELVAGE_PROVIDER: 'other' })).toThrow(/Use anthropic, openai, bedrock or offline/)
  })

  it.each([
    ['AnthropicModel', { ANTHROPIC_API_KEY: 'a' }],
    ['OpenAIModel', { OPENAI_API_KEY: 'a' }],
    ['OpenAIModel', { OPENAI_BASE_URL: 'http://localhost/v1' }],
    ['BedrockModel', { AWS_ACCESS_KEY_ID: 'a' }],
    ['OfflineModel', {}],
  ])('makes an %s of %o', async (name, keys) => {
    const environment = { ...keys, SELVAGE_MODEL: 'big', SELVAGE_MODEL_PLANNER: 'small' }
    const planner = await chooseModel('planner', mind, environment)
    const writer = await chooseModel('writer', mind, environment)
    expect(planner.constructor.name).toBe(name)
    if (name === 'OfflineModel') return
    expect([planner.modelId, writer.modelId]).toEqual(['small', 'big'])
  })

  it('asks for the name of a model that only its server knows', async () => {
    const environment = { OPENAI_BASE_URL: 'http://localhost/v1' }
    await expect(chooseModel('planner', mind, environment)).rejects.toThrow(/Set SELVAGE_MODEL/)
  })

  it('says who will answer', () => {
    expect(describeModels(['planner'], {})).toMatch(/^no API key found: .*offline model/)
    expect(describeModels(['planner'], { SELVAGE_PROVIDER: 'offline' })).toMatch(/^as asked: .*offline model/)
    const environment = { OPENAI_BASE_URL: 'http://localhost/v1', SELVAGE_MODEL: 'big', SELVAGE_MODEL_PLANNER: 'small' }
    expect(describeModels(['planner', 'writer'], environment)).toBe('openai at http://localhost/v1, small, big')
  })
})
