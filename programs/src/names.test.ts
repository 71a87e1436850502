import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Names } from './names.ts'

const inUse = expect.objectContaining({ code: 'KEY_IN_USE' })

type Call = { readonly name: string; readonly key?: string } | { readonly prefix: string }

function expected(call: Call, count: (of: string) => number, names: Names): [string, () => string] {
  if ('prefix' in call) return [`${call.prefix}${count(`ordinal ${call.prefix}`)}`, () => names.ordinal(call.prefix)]
  const { name, key } = call
  const ask = (): string => {
    const named = names.next(name, key)
    named.close()
    return named.key
  }
  if (key !== undefined) return [key, ask]
  const times = count(`name ${name}`)
  return [times === 1 ? name : `${name}#${times}`, ask]
}

describe('Names', () => {
  it('counts a name that is asked for again once it is closed', () => {
    const names = new Names('r')
    const keys = [1, 2, 3].map(() => {
      const named = names.next('a')
      named.close()
      return named.key
    })
    expect(keys).toEqual(['a', 'a#2', 'a#3'])
  })

  it('refuses a name that is open', () => {
    const names = new Names('r')
    names.next('a')
    expect(() => names.next('a')).toThrow(inUse)
    expect(names.next('a', 'mine').key).toBe('mine')
    expect(names.next('b').key).toBe('b')
  })

  it('never gives a key twice, however it came about', () => {
    const names = new Names('r')
    names.next('a#2').close()
    names.next('a').close()
    expect(() => names.next('a')).toThrow(inUse)
    expect(() => names.next('x', 'a')).toThrow(inUse)
    names.next('x', 'p#1')
    expect(() => names.ordinal('p#')).toThrow(inUse)
    expect(names.ordinal('p#')).toBe('p#2')
  })

  // Counted keys are not remembered one by one: here is what remembering them would refuse.
  it('gives and refuses what a list of all keys would', () => {
    const part = fc.constantFrom('a', 'a#2', 'a#3', 'a#', 'a#02', '2', 's:', 's:1', 's:2', 's:#2')
    const asked = fc.oneof(
      fc.record({ name: part }),
      fc.record({ name: part, key: part }),
      fc.record({ prefix: fc.constantFrom('s:', 'a#', 'c#') }),
    )
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 30 }), (calls) => {
        const names = new Names('r')
        const given = new Set<string>()
        const counts = new Map<string, number>()
        const count = (of: string): number => counts.set(of, (counts.get(of) ?? 0) + 1).get(of) ?? 0
        for (const call of calls) {
          const [wanted, ask] = expected(call, count, names)
          if (given.has(wanted)) expect(ask).toThrow(inUse)
          else expect(ask()).toBe(wanted)
          given.add(wanted)
        }
      }),
    )
  })

  it('refuses what names nothing', () => {
    const names = new Names('r')
    const bad = expect.objectContaining({ code: 'BAD_INPUT' })
    expect(() => names.next('')).toThrow(bad)
    expect(() => names.next('a', '')).toThrow(bad)
  })
})
