/**
 * Which model answers: a provider whose key is in the environment, else the offline model.
 *
 *   SELVAGE_PROVIDER   anthropic · openai · bedrock · offline. Default: the first of them whose key is there
 *   ANTHROPIC_API_KEY · OPENAI_API_KEY · AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_BEARER_TOKEN_BEDROCK, …
 *   OPENAI_BASE_URL    any server that speaks OpenAI's chat completions
 *   SELVAGE_MODEL      the model's name; SELVAGE_MODEL_<ROLE> for one role only
 */
import type { Model } from '@strands-agents/sdk'
import { type Mind, OfflineModel } from './offline-model.ts'

export type Provider = 'anthropic' | 'openai' | 'bedrock' | 'offline'

type Environment = { readonly [name: string]: string | undefined }

const AWS_KEYS = [
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_BEARER_TOKEN_BEDROCK',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
]

/** A choice that cannot be carried out; the message says what to set or to install. */
export class ModelChoiceError extends Error {
  override readonly name = 'ModelChoiceError'
}

export function chooseProvider(environment: Environment = process.env): Provider {
  const asked = environment.SELVAGE_PROVIDER
  if (asked) {
    if (asked === 'anthropic' || asked === 'openai' || asked === 'bedrock' || asked === 'offline') return asked
    throw new ModelChoiceError(`SELVAGE_PROVIDER is '${asked}'. Use anthropic, openai, bedrock or offline.`)
  }
  if (environment.ANTHROPIC_API_KEY) return 'anthropic'
  if (environment.OPENAI_API_KEY || environment.OPENAI_BASE_URL) return 'openai'
  if (AWS_KEYS.some((name) => environment[name])) return 'bedrock'
  return 'offline'
}

/** One line for people: who answers in these roles. */
export function describeModels(roles: readonly string[], environment: Environment = process.env): string {
  const provider = chooseProvider(environment)
  if (provider === 'offline') {
    const why = environment.SELVAGE_PROVIDER ? 'as asked' : 'no API key found'
    return `${why}: a deterministic offline model stands in, and works on what the tools really return`
  }
  const where = provider === 'openai' && environment.OPENAI_BASE_URL ? ` at ${environment.OPENAI_BASE_URL}` : ''
  const names = [...new Set(roles.map((role) => modelName(role, environment) ?? "the SDK's default model"))]
  return `${provider}${where}, ${names.join(', ')}`
}

/** The model for `role`; `mind` answers where there is no provider. ModelChoiceError. */
export async function chooseModel(role: string, mind: Mind, environment: Environment = process.env): Promise<Model> {
  const modelId = modelName(role, environment)
  const named = modelId === undefined ? {} : { modelId }
  const settings = { ...named, maxTokens: 8_000 }
  switch (chooseProvider(environment)) {
    case 'offline':
      return new OfflineModel(`offline-${role}`, mind)
    case 'anthropic': {
      const { AnthropicModel } = await installed('@anthropic-ai/sdk', import('@strands-agents/sdk/models/anthropic'))
      return new AnthropicModel({ ...settings, ...keyed(environment.ANTHROPIC_API_KEY) })
    }
    case 'openai': {
      const { OpenAIModel } = await installed('openai', import('@strands-agents/sdk/models/openai'))
      const baseURL = environment.OPENAI_BASE_URL
      if (!baseURL) return new OpenAIModel({ api: 'responses', ...settings, ...keyed(environment.OPENAI_API_KEY) })
      if (modelId === undefined) {
        throw new ModelChoiceError(`Set SELVAGE_MODEL to the name of a model that ${baseURL} serves.`)
      }
      const apiKey = environment.OPENAI_API_KEY || 'none'
      return new OpenAIModel({ api: 'chat', ...settings, apiKey, clientConfig: { baseURL } })
    }
    case 'bedrock': {
      const { BedrockModel } = await import('@strands-agents/sdk/models/bedrock')
      return new BedrockModel(settings)
    }
  }
}

function modelName(role: string, environment: Environment): string | undefined {
  return environment[`SELVAGE_MODEL_${role.toUpperCase()}`] || environment.SELVAGE_MODEL || undefined
}

function keyed(apiKey: string | undefined): { readonly apiKey?: string } {
  return apiKey ? { apiKey } : {}
}

/** The SDK leaves the clients of most providers to its users. */
async function installed<T>(client: string, provider: Promise<T>): Promise<T> {
  try {
    return await provider
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new ModelChoiceError(`This provider needs its client. Run: npm install ${client}`, { cause: error })
  }
}
