import { describe, expect, it } from 'vitest'
import { Names } from './names.ts'

const inUse = expect.objectContaining({ code: 'KEY_IN_USE' })

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

  it('refuses what names nothing', () => {
    const names = new Names('r')
    const bad = expect.objectContaining({ code: 'BAD_INPUT' })
    expect(() => names.next('')).toThrow(bad)
    expect(() => names.next('a', '')).toThrow(bad)
  })
})
