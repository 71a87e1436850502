import { expect, it } from 'vitest'
import { checkedName, checkNumbers } from './refusals.ts'

const told = (options: { [name: string]: number | undefined }, isWhole = false) => {
  try {
    checkNumbers('Mars', options, { least: 10, most: 20, isWhole })
    return 'taken'
  } catch (error) {
    return error
  }
}

it('an option that is not given, or within its bounds, is taken; any other number is refused by its name', () => {
  expect([told({}), told({ a: undefined, b: 10 }), told({ a: 20 }), told({ a: 10.5 })]).toEqual(Array(4).fill('taken'))
  for (const got of [9, 21, Number.NaN, Number.POSITIVE_INFINITY]) {
    const refused = { code: 'BAD_INPUT', hint: 'Give a number from 10 to 20.', details: { option: 'b', got } }
    expect(told({ a: 12, b: got })).toMatchObject(refused)
  }
  expect(told({ a: 10.5 }, true)).toMatchObject({ hint: 'Give a whole number from 10 to 20.' })
  expect(() => checkNumbers('Mars', { a: 1e300 }, { least: 1 })).not.toThrow()
})

it('a name is handed back, or refused with what one is made of', () => {
  expect(checkedName('Mars', 'rovers', 'x1', /^x/, 'Begin with x.')).toBe('x1')
  expect(() => checkedName('Mars', 'rovers', 'y', /^x/, 'Begin with x.')).toThrow(
    expect.objectContaining({ code: 'BAD_INPUT', hint: 'Begin with x.', message: expect.stringContaining("'y'") }),
  )
})
