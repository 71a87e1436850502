import {
  CachePointBlock,
  type ContentBlock,
  ImageBlock,
  JsonBlock,
  Message,
  type MessageData,
  ReasoningBlock,
  TextBlock,
  ToolResultBlock,
  ToolUseBlock,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { MessageCopies } from './message-copies.ts'

/** Copies as the SDK does, and counts. */
class Sdk {
  copies = 0
  readonly clone = (message: Message): Message => {
    this.copies++
    return message.clone()
  }
}

function use(input: unknown): Message {
  return new Message({
    role: 'assistant',
    content: [new TextBlock('I look.'), new ToolUseBlock({ name: 'look', toolUseId: 'u1', input: input as never })],
    metadata: { usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 }, custom: { pinned: false, by: ['a'] } },
  })
}

function result(): Message {
  return new Message({
    role: 'user',
    content: [
      new ToolResultBlock({
        toolUseId: 'u1',
        status: 'success',
        content: [new TextBlock('seen'), new JsonBlock({ json: { deep: { list: [1, { two: 2 }] } } })],
      }),
    ],
  })
}

function image(): Message {
  const block = new ImageBlock({ format: 'png', source: { bytes: Uint8Array.of(1, 2, 3) } })
  return new Message({ role: 'user', content: [block, new TextBlock('Look at this.')] })
}

function data(message: Message): MessageData {
  return JSON.parse(JSON.stringify(message)) as MessageData
}

/** Of any kind of block, with whatever JSON makes of strange values. */
const MESSAGES: { readonly [name: string]: () => Message } = {
  'a text': () => new Message({ role: 'user', content: [new TextBlock('Hello.')] }),
  'a tool use': () => use({ city: 'Bonn', days: [1, 2.5, null, { deep: true }], '': {} }),
  'a tool use that thinks': () =>
    new Message({
      role: 'assistant',
      content: [
        new ReasoningBlock({ text: 'Hm.', signature: 's', redactedContent: Uint8Array.of(7, 8) }),
        new ToolUseBlock({ name: 'look', toolUseId: 'u', input: {}, reasoningSignature: 'r' }),
      ],
    }),
  'a result': result,
  'a result with its error': () =>
    new Message({
      role: 'user',
      content: [
        new ToolResultBlock({
          toolUseId: 'u',
          status: 'error',
          content: [new TextBlock('no')],
          error: new Error('no'),
        }),
      ],
    }),
  'an image': image,
  'a cache point': () =>
    new Message({ role: 'user', content: [new TextBlock('x'), new CachePointBlock({ cacheType: 'default' })] }),
  'what JSON leaves out or changes': () =>
    use({ gone: undefined, list: [undefined, Number.NaN, -0, Number.POSITIVE_INFINITY], date: new Date(0) }),
  'a key that is no prototype': () => use(JSON.parse('{"__proto__": {"a": 1}, "b": {"__proto__": 2}}')),
  'an input with a method of its own': () => use({ toJSON: () => ({ other: true }) }),
  'metadata that is not known': () =>
    new Message({ role: 'user', content: [], metadata: { custom: { a: 1 }, later: { b: 2 } } as never }),
}

describe('copies of messages', () => {
  it.each(Object.entries(MESSAGES))(
    'say what a copy by the SDK says, lent or not, at first and later: %s',
    (_, make) => {
      for (const lend of [true, false]) {
        const message = make()
        const copies = new MessageCopies()
        const { clone } = new Sdk()
        for (let call = 0; call < 3; call++) {
          const [copy] = copies.of([message], clone, lend, true)
          expect(copy).toStrictEqual(message.clone())
          expect(copy).not.toBe(message)
          expect(JSON.stringify(copy)).toBe(JSON.stringify(message.clone()))
        }
      }
    },
  )

  it('are made once, and the same ones are lent, wherever the message stands', () => {
    const sdk = new Sdk()
    const copies = new MessageCopies()
    const messages = Object.values(MESSAGES).map((make) => make())
    const before = copies.of(messages, sdk.clone, true, true)
    const made = sdk.copies
    const known = messages.slice(0, 5)
    const later = copies.of([new Message({ role: 'user', content: [] }), ...known.toReversed()], sdk.clone, true, true)
    // What holds bytes is copied again, from the copy.
    expect(
      later
        .slice(1)
        .toReversed()
        .map((copy, index) => copy === before[index]),
    ).toEqual([true, true, false, true, true])
    expect(sdk.copies).toBe(made)
  })

  it('that are lent are frozen throughout, others are free and share nothing', () => {
    const copies = new MessageCopies()
    const { clone } = new Sdk()
    const isFree = (value: unknown, free: boolean): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(!free)
      for (const inside of Object.values(value)) isFree(inside, free)
    }
    const message = use({ a: { b: [1] } })
    const take = (lend: boolean): Message => copies.of([message], clone, lend, true)[0] as Message
    isFree(take(true), false)
    const one = take(false)
    const other = take(false)
    isFree(one, true)
    const { input } = one.content[1] as ToolUseBlock
    ;(input as { a: { b: number[] } }).a.b[0] = 9
    one.content.push(new TextBlock('more'))
    for (const untouched of [other, take(false), take(true)]) expect(data(untouched)).toEqual(data(message))
  })

  it('with bytes have bytes of their own', () => {
    const copies = new MessageCopies()
    const message = image()
    const take = (lend: boolean): Message => copies.of([message], new Sdk().clone, lend, true)[0] as Message
    const bytesOf = ({ content }: Message): Uint8Array =>
      ((content[0] as ImageBlock).source as unknown as { bytes: Uint8Array }).bytes
    for (const lend of [true, false]) {
      bytesOf(take(lend))[0] = 99
      expect([...bytesOf(take(lend))]).toEqual([1, 2, 3])
    }
    expect([...bytesOf(message)]).toEqual([1, 2, 3])
  })

  it('of a message that copies itself are left to it', () => {
    const copies = new MessageCopies()
    const message = new Message({ role: 'user', content: [new TextBlock('x')] })
    const own = new Message({ role: 'user', content: [] })
    Object.assign(message, { clone: () => own })
    expect(copies.of([message], (one) => one.clone(), true, true)).toEqual([own])
  })
})

describe('a message that is edited in place', () => {
  const edits: { readonly [what: string]: (message: Message) => unknown } = {
    'content[i] = block': ({ content }) => content.splice(0, 1, new TextBlock('offloaded')),
    'content.push': ({ content }) => content.push(new TextBlock('more')),
    'content.pop': ({ content }) => content.pop(),
    'content = list': (message) => Object.assign(message, { content: [new TextBlock('all new')] }),
    role: (message) => Object.assign(message, { role: message.role === 'user' ? 'assistant' : 'user' }),
    trackingId: (message) => Object.assign(message, { trackingId: 'named' }),
    'metadata = object': (message) => Object.assign(message, { metadata: { custom: { pinned: true } } }),
    'metadata.custom = object': ({ metadata }) => Object.assign(metadata ?? {}, { custom: { pinned: true } }),
    'metadata.usage = object': ({ metadata }) => Object.assign(metadata ?? {}, { usage: { inputTokens: 9 } }),
    'metadata.custom.pinned': ({ metadata }) => Object.assign(metadata?.custom ?? {}, { pinned: true }),
    'metadata.custom.by[0]': ({ metadata }) => (metadata?.custom?.by as string[] | undefined)?.splice(0, 1, 'b'),
    ...inBlocks('text', 'textBlock', (block) => Object.assign(block, { text: 'redacted' })),
    ...inBlocks('input.key', 'toolUseBlock', (block) => Object.assign(inputOf(block), { city: 'Köln' })),
    ...inBlocks('a new key in input', 'toolUseBlock', (block) => Object.assign(inputOf(block), { more: 1 })),
    ...inBlocks('a key gone from input', 'toolUseBlock', (block) => Reflect.deleteProperty(inputOf(block), 'city')),
    ...inBlocks('input.list[i]', 'toolUseBlock', (block) => (inputOf(block).days as number[]).push(3)),
    ...inBlocks('input.deep', 'toolUseBlock', (block) => Object.assign(inputOf(block).deep as object, { er: 2 })),
    ...inBlocks('input = object', 'toolUseBlock', (block) => Object.assign(block, { input: { other: true } })),
    ...inBlocks('name', 'toolUseBlock', (block) => Object.assign(block, { name: 'other' })),
    ...inBlocks('reasoningSignature', 'toolUseBlock', (block) => Object.assign(block, { reasoningSignature: 'r' })),
    ...inBlocks('status', 'toolResultBlock', (block) => Object.assign(block, { status: 'error' })),
    ...inBlocks('result.content[i]', 'toolResultBlock', (block) => {
      ;(block as ToolResultBlock).content[0] = new TextBlock('[cut]')
    }),
    ...inBlocks('result.content.push', 'toolResultBlock', (block) =>
      (block as ToolResultBlock).content.push(new TextBlock('more')),
    ),
    ...inBlocks('text of a result', 'toolResultBlock', (block) =>
      Object.assign((block as ToolResultBlock).content[0] as object, { text: '[cut]' }),
    ),
    ...inBlocks('JSON of a result', 'toolResultBlock', (block) => {
      const json = (block as ToolResultBlock).content[1] as unknown as { json: { deep: { list: unknown[] } } }
      json.json.deep.list[1] = 'two'
    }),
    ...inBlocks('format', 'imageBlock', (block) => Object.assign(block, { format: 'jpeg' })),
    ...inBlocks('source', 'imageBlock', (block) =>
      Object.assign(block, { source: new ImageBlock({ format: 'png', source: { bytes: Uint8Array.of(9) } }).source }),
    ),
    ...inBlocks('cacheType', 'cachePointBlock', (block) => Object.assign(block, { cacheType: 'other' })),
  }

  function inBlocks(
    what: string,
    type: ContentBlock['type'],
    edit: (block: ContentBlock) => unknown,
  ): { [what: string]: (message: Message) => unknown } {
    return {
      [`${what} of a ${type}`]: ({ content }) =>
        content.filter((block) => block.type === type).forEach((one) => void edit(one)),
    }
  }

  function inputOf(block: ContentBlock): { [key: string]: unknown } {
    return (block as ToolUseBlock).input as { [key: string]: unknown }
  }

  const hasBytes = (message: Message | undefined): boolean =>
    message?.content.some(({ type }) => type === 'imageBlock') ?? false

  const conversation = (): Message[] => [
    new Message({ role: 'user', content: [new TextBlock('Hello.')] }),
    use({ city: 'Bonn', days: [1, 2], deep: { er: 1 } }),
    result(),
    image(),
    new Message({ role: 'user', content: [new TextBlock('x'), new CachePointBlock({ cacheType: 'default' })] }),
  ]

  it.each(Object.entries(edits))('is copied anew, and no other is: %s', (_, edit) => {
    for (const lend of [true, false]) {
      const copies = new MessageCopies()
      const { clone } = new Sdk()
      const messages = conversation()
      let before = copies.of(messages, clone, lend, true)
      let edited = 0
      for (const [at, message] of messages.entries()) {
        const was = JSON.stringify(message)
        edit(message)
        const now = copies.of(messages, clone, lend, true)
        expect(now.map(data)).toEqual(messages.map((one) => data(one.clone())))
        if (JSON.stringify(message) !== was) edited++
        const same = now.map((copy, index) => copy === before[index])
        const expected = messages.map(
          (_, index) => lend && !hasBytes(messages[index]) && (index !== at || JSON.stringify(message) === was),
        )
        expect(same).toEqual(expected)
        before = now
      }
      expect(edited).toBeGreaterThan(0)
    }
  })
})

describe('a message in the middle of a long conversation', () => {
  const LENGTH = 400
  const MIDDLE = 200

  function long(): { copies: MessageCopies; take: () => Message[]; middle: Message; messages: Message[] } {
    const messages = Array.from({ length: LENGTH }, (_, n) =>
      n === MIDDLE ? use({ city: 'Bonn' }) : new Message({ role: 'user', content: [new TextBlock(`message ${n}`)] }),
    )
    const copies = new MessageCopies()
    const take = (): Message[] => copies.of(messages, new Sdk().clone, true, true)
    take()
    take()
    return { copies, take, middle: messages[MIDDLE] as Message, messages }
  }

  it.each([
    ['a block in place of another', ({ content }: Message) => content.splice(0, 1, new TextBlock('offloaded'))],
    [
      'metadata in place of others',
      (message: Message) => Object.assign(message, { metadata: { custom: { pinned: true } } }),
    ],
  ])('is copied anew at once: %s', (_, edit) => {
    const { take, middle } = long()
    edit(middle)
    expect(data(take()[MIDDLE] as Message)).toEqual(data(middle.clone()))
  })

  it('is copied anew after any code may have run, though only inside of it something was edited', () => {
    const { copies, take, middle } = long()
    Object.assign((middle.content[1] as ToolUseBlock).input as object, { city: 'Köln' })
    copies.doubt()
    expect(data(take()[MIDDLE] as Message)).toEqual(data(middle.clone()))
  })

  it('is looked into by and by', () => {
    const { take, middle } = long()
    Object.assign((middle.content[1] as ToolUseBlock).input as object, { city: 'Köln' })
    for (let call = 0; call < LENGTH / 64; call++) take()
    expect(data(take()[MIDDLE] as Message)).toEqual(data(middle.clone()))
  })

  it('says from where on the copies are others', () => {
    const { copies, take, middle, messages } = long()
    expect(copies.changedFrom).toBe(LENGTH)
    middle.content.push(new TextBlock('more'))
    take()
    expect(copies.changedFrom).toBe(MIDDLE)
    messages.push(new Message({ role: 'user', content: [new TextBlock('new')] }))
    take()
    expect(copies.changedFrom).toBe(LENGTH)
    messages.splice(10, 1)
    take()
    expect(copies.changedFrom).toBe(10)
  })
})
