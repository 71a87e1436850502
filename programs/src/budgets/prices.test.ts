import { expect, test } from 'vitest'
import { Prices } from './prices.ts'

const usage = { inputTokens: 1_000_000, outputTokens: 1_000_000 }
const usd = (nano: number | undefined): number | undefined => (nano === undefined ? undefined : nano / 1e9)

test('a key stands for the id and its snapshots, and for nothing else that begins so', () => {
  const prices = new Prices()
  for (const id of ['gpt-5', 'gpt-5-2025-08-07']) expect(usd(prices.costOf(id, usage))).toBe(11.25)
  expect(usd(prices.costOf('gpt-5-mini-2025-08-07', usage))).toBe(2.25)
  for (const id of ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5@20250929', 'claude-3-7-sonnet-latest']) {
    expect(usd(prices.costOf(id, usage))).toBe(18)
  }
  for (const id of ['gpt-5.4', 'gpt-5-pro', 'claude-opus-4-7', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', '']) {
    expect(prices.costOf(id, usage)).toBeUndefined()
  }
})

test('keys of the user count before the built-in ones, the longest of them first', () => {
  const prices = new Prices()
  prices.set({ 'gpt*': { input: 1, output: 1 }, 'gpt-5-p*': { input: 2, output: 2 }, '*': { input: 9, output: 9 } })
  expect(usd(prices.costOf('gpt-5', usage))).toBe(2)
  expect(usd(prices.costOf('gpt-5-pro', usage))).toBe(4)
  expect(usd(prices.costOf('mine', usage))).toBe(18)
  prices.set({ 'gpt*': { input: 3, output: 3 } })
  expect(usd(prices.costOf('gpt-5', usage))).toBe(6)
})

test('cache reads and writes are priced apart, within the input or beside it', () => {
  const prices = new Prices()
  const price = { input: 10, output: 0, cacheRead: 1, cacheWrite: 12 }
  prices.set({ beside: price, within: { ...price, inputIncludesCache: true }, plain: { input: 10, output: 0 } })
  const cached = { ...usage, cacheReadInputTokens: 400_000, cacheWriteInputTokens: 100_000 }
  expect(usd(prices.costOf('beside', cached))).toBeCloseTo(10 + 0.4 + 1.2)
  expect(usd(prices.costOf('within', cached))).toBeCloseTo(5 + 0.4 + 1.2)
  expect(usd(prices.costOf('plain', cached))).toBeCloseTo(15)
})

test('what is no price is refused', () => {
  const prices = new Prices()
  for (const price of [{ input: -1, output: 1 }, { input: 1 }, { input: '1', output: 1 }, null]) {
    expect(() => prices.set({ x: price as never })).toThrow(/The price of model "x"/)
  }
})
