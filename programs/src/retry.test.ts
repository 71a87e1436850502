import {
  EngineError,
  LeaseLostError,
  NonDeterminismError,
  RetryableError,
  TerminalError,
  UsageError,
} from '@selvage/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RetryPolicy, retryBehaviour } from './retry.ts'

const half = (): number => 0.5
const delayOf = (policy: RetryPolicy, attempt: number, error: unknown = new Error('no')): number | undefined =>
  retryBehaviour(policy, half)(error, attempt)

describe('retryBehaviour', () => {
  it('grows by its factor up to its bound, and gives up after its attempts', () => {
    const policy = { maxAttempts: 6, initial: '1s', max: '5s', jitter: 'none' } as const
    expect([1, 2, 3, 4, 5, 6].map((attempt) => delayOf(policy, attempt))).toEqual([
      1_000,
      2_000,
      4_000,
      5_000,
      5_000,
      undefined,
    ])
  })

  it('has three attempts, one second and full jitter by default', () => {
    expect([1, 2, 3].map((attempt) => delayOf({}, attempt))).toEqual([500, 1_000, undefined])
  })

  it('takes a random part of the bound, for any policy and attempt', () => {
    const policies = fc.record({
      initial: fc.nat(10_000),
      factor: fc.double({ min: 1, max: 4, noNaN: true }),
      max: fc.nat(100_000),
      attempt: fc.integer({ min: 1, max: 99 }),
      draw: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    fc.assert(
      fc.property(policies, ({ attempt, draw, ...policy }) => {
        const bound =
          retryBehaviour({ ...policy, maxAttempts: 100, jitter: 'none' }, half)(new Error('no'), attempt) ?? -1
        const delay = retryBehaviour({ ...policy, maxAttempts: 100 }, () => draw)(new Error('no'), attempt) ?? -1
        expect(bound).toBeLessThanOrEqual(policy.max)
        expect(delay).toBe(bound * draw)
      }),
    )
  })

  it.each([
    new TerminalError('no'),
    new UsageError('BAD_INPUT', 'no'),
    new NonDeterminismError('NON_DETERMINISM', 'no'),
    new LeaseLostError('LEASE_LOST', 'no'),
    new DOMException('no', 'AbortError'),
  ])('never tries $name again, whatever the policy says', (error) => {
    expect(delayOf({ on: () => true }, 1, error)).toBeUndefined()
  })

  it('honours RetryableError over `on`, and its time over the backoff, but not over the attempts', () => {
    const policy = { on: () => false }
    expect(delayOf(policy, 1)).toBeUndefined()
    expect(delayOf(policy, 1, new RetryableError('soon'))).toBe(500)
    expect(delayOf(policy, 1, new RetryableError('soon', { after: 90_000 }))).toBe(90_000)
    expect(delayOf(policy, 3, new RetryableError('soon', { after: 90_000 }))).toBeUndefined()
  })

  it('asks `on` about the rest', () => {
    const policy = { on: (error: unknown) => error instanceof EngineError }
    expect(delayOf(policy, 1, new EngineError('UNAVAILABLE', 'away'))).toBe(500)
    expect(delayOf(policy, 1, 'thrown text')).toBeUndefined()
  })

  it.each([{ maxAttempts: 0 }, { maxAttempts: Number.NaN }, { factor: 0.5 }, { initial: -1 }, { max: 'soon' }])(
    'refuses %j',
    (policy) => {
      expect(() => retryBehaviour(policy, half)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    },
  )
})
