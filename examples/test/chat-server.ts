/** A server that speaks OpenAI's chat completions, streamed, and answers with the offline minds: a real model to its clients. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JSONValue } from '@strands-agents/sdk'
import type { Answer, Mind, ToolCall } from '../src/offline-model.ts'

type Content = string | readonly { readonly text?: string }[]

interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content?: Content | null
  readonly tool_calls?: readonly { readonly id: string; readonly function: { name: string; arguments: string } }[]
  readonly tool_call_id?: string
}

interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly { readonly function: { readonly name: string } }[]
}

export interface ChatServer extends AsyncDisposable {
  readonly url: string
  /** The model of each request, in the order in which they came. */
  readonly requests: readonly string[]
}

const CHUNK_LENGTH = 20
const CHUNK_MS = 15

/** `minds` by the name of their model. */
export async function serveChat(minds: { readonly [model: string]: Mind }): Promise<ChatServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    answer(request, response, minds, requests).catch((error: unknown) => {
      response.statusCode = 500
      response.end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  minds: { readonly [model: string]: Mind },
  requests: string[],
): Promise<void> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const chat: ChatRequest = JSON.parse(body)
  requests.push(chat.model)
  const mind = minds[chat.model]
  if (request.url !== '/v1/chat/completions' || mind === undefined) {
    response.statusCode = 404
    response.end(JSON.stringify({ error: { message: `no model ${chat.model} at ${request.url}` } }))
    return
  }
  response.setHeader('content-type', 'text/event-stream')
  for (const delta of deltasOf(mind(conversationOf(chat)), requests.length)) {
    response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', ...delta })}\n\n`)
    await sleep(CHUNK_MS)
  }
  response.end('data: [DONE]\n\n')
}

function* deltasOf({ text, calls = [] }: Answer, request: number): Generator<object> {
  const choice = (delta: object, finish_reason: string | null = null): object => ({
    choices: [{ index: 0, delta, finish_reason }],
  })
  yield choice({ role: 'assistant' })
  for (let at = 0; at < (text?.length ?? 0); at += CHUNK_LENGTH) {
    yield choice({ content: text?.slice(at, at + CHUNK_LENGTH) })
  }
  for (const [index, call] of calls.entries()) {
    const invoked = { name: call.tool, arguments: JSON.stringify(call.input) }
    yield choice({ tool_calls: [{ index, id: `call-${request}-${index}`, type: 'function', function: invoked }] })
  }
  yield choice({}, calls.length === 0 ? 'stop' : 'tool_calls')
  yield { choices: [], usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } }
}

function conversationOf({ messages, tools = [] }: ChatRequest): Parameters<Mind>[0] {
  const resultOf = (id: string): Pick<ToolCall, 'result' | 'failed'> => {
    const text = textOf(messages.find((message) => message.tool_call_id === id)?.content)
    return text.startsWith('[ERROR]') ? { result: text, failed: true } : { result: parsed(text) }
  }
  const turns = messages
    .filter((message) => message.role === 'assistant')
    .map((message) =>
      (message.tool_calls ?? []).map((call) => ({
        tool: call.function.name,
        input: JSON.parse(call.function.arguments),
        ...resultOf(call.id),
      })),
    )
  const prompt = textOf(messages.findLast((message) => message.role === 'user')?.content)
  return { prompt, turns, tools: tools.map((tool) => tool.function.name) }
}

function textOf(content: Content | null | undefined): string {
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => part.text ?? '').join('\n')
}

function parsed(text: string): JSONValue {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
