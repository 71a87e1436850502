import { expect, it } from 'vitest'
import { hasOnly, type OptionNames, refuseUnknown, withDefaults } from './options.ts'

interface Options {
  readonly key?: string
  readonly retry?: number
  readonly later?: string
}

const KNOWN: OptionNames<Options> = { key: true, retry: true, later: false }

const refusal = (message: string) => expect.objectContaining({ code: 'BAD_INPUT', message })

it.each<[string, unknown]>([
  ['nothing', undefined],
  ['an empty object', {}],
  ['known options', { key: 'k', retry: 1 }],
  ['an unknown one that is undefined', { efect: undefined }],
  ['a reserved one, which its owner refuses', { later: 'x' }],
  ['an object without a prototype', Object.assign(Object.create(null), { key: 'k' })],
])('%s is not refused', (_, given) => {
  expect(hasOnly(given, KNOWN)).toBe(true)
  expect(() => refuseUnknown('A step', given, KNOWN)).not.toThrow()
})

it.each<[string, unknown, string]>([
  ['an unknown one', { key: 'k', efect: 1 }, 'A step has no option "efect". It knows key, retry.'],
  ['an inherited one', Object.create({ efect: 1 }), 'A step has no option "efect". It knows key, retry.'],
  ['what every object has', { toString: 1 }, 'A step has no option "toString". It knows key, retry.'],
  ['a text', 'once', 'A step was given "once" where its options belong. Give an object.'],
  ['null', null, 'A step was given null where its options belong. Give an object.'],
  ['a list', [], 'A step was given a list where its options belong. Give an object.'],
  ['a function', () => {}, 'A step was given a function where its options belong. Give an object.'],
])('%s is refused', (_, given, message) => {
  expect(hasOnly(given, KNOWN)).toBe(false)
  expect(() => refuseUnknown('A step', given, KNOWN, { runId: 'r' })).toThrow(refusal(message))
  expect(() => refuseUnknown('A step', given, KNOWN, { runId: 'r' })).toThrow(
    expect.objectContaining({ details: { runId: 'r' } }),
  )
})

it('options go before their defaults, and what are none is refused instead of lost', () => {
  expect(withDefaults('A step', { retry: 1 }, { retry: 2, key: 'k' })).toEqual({ retry: 2, key: 'k' })
  expect(() => withDefaults('A step', { retry: 1 }, null as never)).toThrow(/A step was given null/)
})
