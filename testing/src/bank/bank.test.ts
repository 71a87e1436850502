import { afterEach, expect, test } from 'vitest'
import { acted, BankError, BankProcess, duplicates } from './index.ts'

const banks: BankProcess[] = []

async function open(options: Parameters<typeof BankProcess.open>[0] = {}): Promise<BankProcess> {
  const bank = await BankProcess.open(options)
  banks.push(bank)
  return bank
}

afterEach(async () => {
  for (const bank of banks.splice(0)) await bank.close()
})

const REFUND = { order: 'a', amount: 100 }

test('one that honours keys does one thing per key, and gives the same answer again', async () => {
  const bank = await open()
  const first = await bank.client.act('refund', REFUND, { key: 'k' })
  expect(await bank.client.act('refund', REFUND, { key: 'k' })).toEqual(first)
  expect(bank.lines().map(({ what }) => what)).toEqual(['acted', 'repeated'])
  await expect(bank.client.act('refund', { ...REFUND, amount: 200 }, { key: 'k' })).rejects.toMatchObject({
    status: 422,
  })
  expect(acted(bank.lines())).toEqual([{ n: 1, deed: 'refund', what: 'acted', ...REFUND, key: 'k' }])
  await bank.client.act('refund', REFUND, { key: 'other' })
  await bank.client.act('refund', REFUND)
  expect(duplicates(bank.lines())).toBe(2)
})

test('one that does not acts each time, and can tell what it did', async () => {
  const bank = await open({ honoursKeys: false })
  await bank.client.act('refund', REFUND, { key: 'k' })
  await bank.client.act('refund', REFUND, { key: 'k' })
  await bank.client.act('mail', { order: 'a', text: 'Sorry.' }, { key: 'm' })
  expect(duplicates(bank.lines())).toBe(1)
  expect(await bank.client.find('refund', { key: 'k' })).toEqual([
    { id: 'refund-1', ...REFUND },
    { id: 'refund-2', ...REFUND },
  ])
  expect(await bank.client.find('refund', { order: 'a', key: 'm' })).toEqual([])
})

test('a blind one cannot tell', async () => {
  const bank = await open({ blind: true })
  await expect(bank.client.find('refund', { order: 'a' })).rejects.toMatchObject({ status: 404 })
})

test('what it did, and under which keys, outlives it', async () => {
  const bank = await open()
  const first = await bank.client.act('refund', REFUND, { key: 'k' })
  const again = await open({ ledger: bank.path })
  expect(await again.client.act('refund', REFUND, { key: 'k' })).toEqual(first)
  expect(acted(again.lines()).length).toBe(1)
})

test('its troubles come once, to whom they are meant for, and it has acted or not as they say', async () => {
  const bank = await open({ honoursKeys: false })
  const refund = (order: string): Promise<unknown> => bank.client.act('refund', { order })
  const done = (order: string): number => acted(bank.lines()).filter((line) => line.order === order).length

  await bank.expect({ deed: 'refund', order: 'drop', how: 'drop' })
  await refund('other')
  await expect(refund('drop')).rejects.toThrow('fetch failed')
  expect(done('drop')).toBe(1)
  await refund('drop')
  expect(done('drop')).toBe(2)

  await bank.expect({ order: 'drop-before', how: 'drop-before' })
  await expect(refund('drop-before')).rejects.toThrow('fetch failed')
  expect(done('drop-before')).toBe(0)

  await bank.expect({ order: 'refuse', how: 'refuse', status: 429, retryAfter: 7 })
  const refused = await refund('refuse').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(BankError)
  expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  expect(done('refuse')).toBe(0)

  await bank.expect({ order: 'late', how: 'late', delayMs: 20 })
  const order: string[] = []
  await Promise.all([
    refund('late').then(() => order.push('late')),
    bank.next((line) => line.order === 'late').then(() => order.push('acted')),
  ])
  expect(order).toEqual(['acted', 'late'])

  await bank.expect({ order: 'hold', how: 'hold' })
  const given = new AbortController()
  const held = bank.client.act('refund', { order: 'hold' }, { abortSignal: given.signal }).catch(() => 'gave up')
  await bank.next((line) => line.order === 'hold')
  given.abort()
  expect(await held).toBe('gave up')
  expect(done('hold')).toBe(1)
})
