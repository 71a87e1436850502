import { describe, expect, test } from 'vitest'
import { type Duration, toMs } from './duration.ts'

describe('toMs', () => {
  test.each<[Duration, number]>([
    [0, 0],
    [1_500, 1_500],
    [1.4, 1],
    ['2d', 172_800_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    [' 30s ', 30_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['5m5ms', 300_005],
    ['1.5h', 5_400_000],
    ['0s', 0],
    ['1d2h3m4s5ms', 93_784_005],
    [{ days: 1, hours: 1 }, 90_000_000],
    [{ minutes: 0.5 }, 30_000],
    [{ milliseconds: 7 }, 7],
  ])('%j is %d', (duration, ms) => {
    expect(toMs(duration, 'timeout')).toBe(ms)
  })

  test.each<[unknown]>([
    [-1],
    [-0.2],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [2 ** 53],
    [''],
    ['5'],
    ['h'],
    ['1w'],
    ['-5s'],
    ['30m1h'],
    ['1h1h'],
    ['1h, 5m'],
    ['.5h'],
    [{}],
    [{ hour: 1 }],
    [{ hours: -1, days: 1 }],
    [{ hours: '1' }],
    [{ hours: Number.NaN }],
    [[]],
    [null],
    [undefined],
    [true],
    [1n],
    [() => 1],
  ])('refuses %o', (duration) => {
    const read = () => toMs(duration as Duration, 'timeout of approval publish')
    expect(read).toThrow(expect.objectContaining({ name: 'UsageError', code: 'BAD_INPUT' }))
    expect(read).toThrow(/^timeout of approval publish is not a duration: .*'1h30m'/)
  })

  test('shows what was given', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const [value, shown] of [
      ['soon', '"soon"'],
      [-1, '-1'],
      [cycle, 'object'],
      [undefined, 'undefined'],
    ] as const) {
      expect(() => toMs(value as Duration, 'delay')).toThrow(`delay is not a duration: ${shown}. `)
    }
  })
})
