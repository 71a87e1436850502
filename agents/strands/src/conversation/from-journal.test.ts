/** What is read without a detour is what the codec and the SDK make of it. */
import { decode, encode, type Json } from '@selvage/core'
import {
  CachePointBlock,
  type ContentBlock,
  ImageBlock,
  JsonBlock,
  Message,
  ReasoningBlock,
  TextBlock,
  ToolResultBlock,
  ToolUseBlock,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { readAnswer, readResult } from './from-journal.ts'
import {
  type AnswerRecord,
  answerMessage,
  recordAnswer,
  recordOf,
  recordResult,
  resultBlock,
  type ToolRecord,
  usageOf,
} from './record.ts'

const USAGE = { inputTokens: 1, outputTokens: 2, totalTokens: 3 }

function answer(content: ContentBlock[], more: object = {}): Json {
  const message = new Message({ role: 'assistant', content })
  return encode({ ...recordAnswer({ message, stopReason: 'endTurn' }), ...more }, 'an answer')
}

const use = (input: unknown): ToolUseBlock => new ToolUseBlock({ name: 'look', toolUseId: 'u', input: input as never })

const ANSWERS: { readonly [what: string]: Json } = {
  'a text': answer([new TextBlock('Hello.')], { metadata: { usage: { inputTokens: 1, outputTokens: 2 } } }),
  'a text and calls': answer([new TextBlock('I look.'), use({ city: 'Bonn', deep: [{ a: null }] }), use('text')]),
  nothing: answer([]),
  'an input with what JSON lacks': answer([use({ minus: -0, tagged: { $s: ['date', 'x'] }, none: undefined })]),
  'an input of a marked key': answer([use({ $s: 1 })]),
  'a total that is no sum': answer([new TextBlock('a')], { metadata: { usage: { ...USAGE, totalTokens: 9 } } }),
  'a count that is none': answer([new TextBlock('a')], { metadata: { usage: { ...USAGE, cacheTokens: Number.NaN } } }),
  'metrics and a trace': answer([new TextBlock('a')], {
    metadata: { usage: USAGE, metrics: { latencyMs: 1 }, trace: {} },
  }),
  'metadata of its own': answer([new TextBlock('a')], { messageMetadata: { usage: USAGE, custom: { a: [1] } } }),
  'no metadata': answer([new TextBlock('a')], { messageMetadata: null, metadata: { usage: USAGE } }),
  'a redaction and a model': answer([new TextBlock('a')], { redaction: 'x', model: 'other' }),
  'a state': answer([new TextBlock('a')], { modelState: { at: 1 } }),
  'other blocks': answer([
    new ReasoningBlock({ text: 'Hm.', signature: 's', redactedContent: Uint8Array.of(7, 8) }),
    new CachePointBlock({ cacheType: 'default' }),
    new ImageBlock({ format: 'png', source: { bytes: Uint8Array.of(1, 2, 3) } }),
    new ToolUseBlock({ name: 'look', toolUseId: 'u', input: {}, reasoningSignature: 'r' }),
  ]),
}

const block = (content: ToolResultBlock['content'], error?: Error): ToolResultBlock =>
  new ToolResultBlock({
    toolUseId: 'u',
    status: error === undefined ? 'success' : 'error',
    content,
    ...(error && { error }),
  })

const RESULTS: { readonly [what: string]: unknown } = {
  'a text': recordResult(block([new TextBlock('seen')])),
  'texts and JSON': recordResult(block([new TextBlock('seen'), new JsonBlock({ json: { deep: [1, { two: -0 }] } })])),
  nothing: recordResult(block([])),
  'an error': recordResult(block([new TextBlock('no')], new TypeError('no'))),
  'what it did': { ...recordResult(block([new TextBlock('a')])), state: { set: { a: 1 } } },
  bytes: recordResult(block([new ImageBlock({ format: 'png', source: { bytes: Uint8Array.of(1) } })])),
}

describe('a message made of its record', () => {
  it.each(Object.entries(ANSWERS))('is the same: %s', (_, json) => {
    const decoded = decode(json) as AnswerRecord
    const { message, usage, modelState } = readAnswer(json, 'id')
    expect(message).toStrictEqual(answerMessage(decoded, 'id'))
    expect(usage).toEqual(usageOf(decoded))
    expect(modelState).toEqual(decoded.modelState)
    expect(recordOf(message)).toMatchObject({ stopReason: decoded.stopReason })
  })

  it.each(Object.entries(RESULTS))('is the same, of a tool: %s', (_, record) => {
    const json = encode(record, 'a result')
    const { block, record: told } = readResult(json, 'u')
    expect(block).toStrictEqual(resultBlock(decode(json) as ToolRecord, 'u'))
    if (told !== undefined) expect(told).toEqual(decode(json))
  })

  it('shares nothing with its record', () => {
    const json = answer([use({ city: 'Bonn' })], { metadata: { usage: { inputTokens: 1, outputTokens: 2 } } })
    const before = JSON.stringify(json)
    const { message } = readAnswer(json, 'id')
    Object.assign((message.content[0] as ToolUseBlock).input as object, { city: 'Köln' })
    Object.assign(message.metadata?.usage ?? {}, { inputTokens: 9 })
    const result = encode(recordResult(block([new JsonBlock({ json: { a: { b: 1 } } })])), 'a result')
    const beforeResult = JSON.stringify(result)
    Object.assign((readResult(result, 'u').block.content[0] as JsonBlock).json as object, { a: 2 })
    expect([JSON.stringify(json), JSON.stringify(result)]).toEqual([before, beforeResult])
  })
})
