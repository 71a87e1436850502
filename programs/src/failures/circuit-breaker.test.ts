import { describe, expect, it } from 'vitest'
import { CircuitBreaker, CircuitOpenError } from './circuit-breaker.ts'

describe('a circuit', () => {
  const settings = { failures: 3, window: '1m', cooldown: '30s' } as const

  it('opens after so many failures within its window, and lets one attempt try it after its cooldown', () => {
    const breaker = new CircuitBreaker(settings)
    const circuit = breaker.circuit('model m')
    circuit.failed(0)
    circuit.failed(50_000)
    circuit.failed(70_000)
    // The first one is too long ago.
    expect(breaker.report(70_000)).toEqual([{ name: 'model m', state: 'closed', failures: 2 }])
    circuit.enter(70_000)
    circuit.failed(71_000)
    expect(() => circuit.enter(71_000)).toThrow(CircuitOpenError)
    expect(breaker.report(71_000)).toMatchObject([{ state: 'open', openUntil: 101_000 }])
    expect(breaker.report(101_000)).toMatchObject([{ state: 'half-open' }])
    circuit.enter(101_000)
    // Another one waits for it.
    expect(() => circuit.enter(101_001)).toThrow(CircuitOpenError)
    circuit.failed(102_000)
    expect(breaker.report(102_000)).toMatchObject([{ state: 'open', openUntil: 132_000 }])
    circuit.enter(132_000)
    circuit.succeeded()
    expect(breaker.report(132_000)).toEqual([{ name: 'model m', state: 'closed', failures: 0 }])
    circuit.enter(132_000)
  })

  it('that is tried by an attempt that never says how it went can be tried again', () => {
    const circuit = new CircuitBreaker({ ...settings, failures: 1 }).circuit('tool t')
    circuit.failed(0)
    circuit.enter(30_000)
    expect(() => circuit.enter(59_999)).toThrow(CircuitOpenError)
    circuit.enter(60_000)
  })

  it.each([{ failures: 0 }, { cooldown: 'soon' }, { whileOpen: 'never' }, { cool: 1 }])('refuses %j', (options) => {
    expect(() => new CircuitBreaker(options as object)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })
})
