import type { StepContext } from '@selvage/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nodeRuntime, systemClock } from './index.ts'

const runtime = nodeRuntime()
const step = { runId: 'r', key: 'k' } as StepContext

describe('nodeRuntime', () => {
  it('hashes text as UTF-8 with SHA-256', () => {
    expect(Buffer.from(runtime.sha256('abc')).toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(runtime.sha256('é')).toHaveLength(32)
    expect(runtime.sha256('é')).not.toBeInstanceOf(Buffer)
  })

  it('inflates what it deflated', () => {
    const bytes = new TextEncoder().encode('selvage '.repeat(1_000))
    const small = runtime.deflate(bytes)
    expect(small.length).toBeLessThan(100)
    expect(runtime.inflate(small)).toEqual(bytes)
  })

  it('carries the step through awaits, to every copy of the package', async () => {
    const other = nodeRuntime()
    await runtime.context.run(step, async () => {
      await runtime.drain()
      expect(other.context.get()).toBe(step)
      other.context.run(undefined, () => expect(runtime.context.get()).toBeUndefined())
    })
    expect(runtime.context.get()).toBeUndefined()
  })

  it('drains: every promise reaction that could run has run', async () => {
    let reactions = 0
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        await null
        reactions++
      }
    }
    void chain()
    await runtime.drain()
    expect(reactions).toBe(50)
  })

  it('gives random hexadecimal and names this process', () => {
    expect(runtime.random(16)).toMatch(/^[0-9a-f]{32}$/)
    expect(runtime.random(16)).not.toBe(runtime.random(16))
    expect(runtime.identity).toMatch(new RegExp(`^.+:${process.pid}$`))
  })
})

describe('systemClock', () => {
  afterEach(() => vi.useRealTimers())

  it('fires once after 60 days, not at once', () => {
    vi.useFakeTimers()
    const days = 24 * 60 * 60 * 1_000
    let fired = 0
    systemClock.timer(60 * days, () => fired++)
    vi.advanceTimersByTime(60 * days - 1)
    expect(fired).toBe(0)
    vi.advanceTimersByTime(1)
    expect(fired).toBe(1)
    vi.advanceTimersByTime(60 * days)
    expect(fired).toBe(1)
  })

  it('cancels a long timer in any of its links', () => {
    vi.useFakeTimers()
    const days = 24 * 60 * 60 * 1_000
    let fired = 0
    const cancel = systemClock.timer(60 * days, () => fired++)
    vi.advanceTimersByTime(40 * days)
    cancel()
    vi.advanceTimersByTime(40 * days)
    expect(fired).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})
