import { expect, it } from 'vitest'
import type { Signal } from '../journal/entry.ts'
import { Offering } from './offering.ts'

it('I13: what cannot be taken yet is offered again, and nothing overtakes it', () => {
  const taken: string[] = []
  const due: { readonly ms: number; readonly act: () => void }[] = []
  let isLive = false
  const take = ({ id }: Signal): boolean => {
    if (isLive) taken.push(id)
    return isLive
  }
  const offering = new Offering(take, (ms, act) => void due.push({ ms, act }))
  const add = (id: string): void => offering.add({ id, name: 'x', payload: null })
  add('1')
  add('2')
  due.shift()?.act()
  expect(due.map(({ ms }) => ms)).toEqual([10])
  isLive = true
  add('3')
  expect(taken).toEqual([])
  due.shift()?.act()
  add('4')
  expect(taken).toEqual(['1', '2', '3', '4'])
  expect(due).toEqual([])
})
