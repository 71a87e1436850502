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

  it('has a policy for each class, and none for a class without one', () => {
    const status = (code: number): Error => Object.assign(new Error('no'), { status: code })
    const again = retryBehaviour(
      { transient: { jitter: 'none' }, model: { initial: '9s', jitter: 'none' }, permanent: false },
      half,
    )
    expect(again(status(503), 1)).toBe(1_000)
    expect(again(Object.assign(new Error('no'), { code: 'content_filter' }), 1)).toBe(9_000)
    expect(again(status(404), 1)).toBeUndefined()
    expect(again(new Error('who knows'), 1)).toBeUndefined()
    // Its author knows better, whatever class has a policy.
    expect(retryBehaviour({ model: {} }, half)(new RetryableError('soon', { after: 5 }), 1)).toBe(5)
    expect(again(new TerminalError('never'), 1)).toBeUndefined()
  })

  it('obeys what an author has thrown where a library has wrapped it', () => {
    const wrapped = (cause: Error): Error => new Error(cause.message, { cause })
    expect(delayOf({ on: () => false }, 1, wrapped(new RetryableError('soon', { after: 7 })))).toBe(7)
    expect(delayOf({ on: () => true }, 1, wrapped(new TerminalError('never')))).toBeUndefined()
  })

  it('asks the rules of the policy what class an error is of', () => {
    const rule = (error: unknown): 'transient' | undefined =>
      error instanceof Error && error.message === 'locked' ? 'transient' : undefined
    const again = retryBehaviour({ transient: { jitter: 'none' }, classify: rule }, half)
    expect(again(new Error('locked'), 1)).toBe(1_000)
    expect(again(new Error('gone'), 1)).toBeUndefined()
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

  it('makes no attempt that would begin later than maxElapsed after the first failure', () => {
    const again = retryBehaviour({ maxAttempts: 99, initial: '10s', factor: 1, jitter: 'none', maxElapsed: '1m' }, half)
    const since = 1_000
    expect(again(new Error('no'), 1, { now: since, since })).toBe(10_000)
    expect(again(new Error('no'), 6, { now: since + 50_000, since })).toBe(10_000)
    expect(again(new Error('no'), 7, { now: since + 50_001, since })).toBeUndefined()
  })

  it('waits at least as long as the server asks, but not for days', () => {
    const at = { now: 0, since: 0 }
    const asking = (seconds: number): Error => Object.assign(new Error('no'), { headers: { 'retry-after': seconds } })
    const again = retryBehaviour({ initial: '1s', max: '1m', jitter: 'none' }, half)
    expect(again(asking(0), 1, at)).toBe(1_000)
    expect(again(asking(300), 1, at)).toBe(300_000)
    expect(again(asking(1_000_000), 1, at)).toBeUndefined()
  })

  it.each([
    { maxAttempts: 0 },
    { maxAttempts: Number.NaN },
    { factor: 0.5 },
    { initial: -1 },
    { max: 'soon' },
    { attempts: 3 },
    { transient: { maxAttempts: 0 } },
    { transient: {}, maxAttempts: 3 },
  ])('refuses %j', (policy) => {
    expect(() => retryBehaviour(policy as object, half)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })
})
