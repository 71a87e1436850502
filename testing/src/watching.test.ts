import type { Engine, RunDescription } from '@selvage/core'
import { expect, it } from 'vitest'
import { until } from './watching.ts'

/** Shows a run as it stands, one look after the other. */
function showing(...looks: readonly Partial<RunDescription>[]): Engine {
  const left = [...looks]
  return { describe: async () => left.shift(), changed: async () => {} } as unknown as Engine
}

it('who waits for a run is told when it is so, or when it has ended otherwise', async () => {
  const suspended = ({ status }: RunDescription): boolean => status === 'suspended'
  const running = { status: 'running', entries: 1 } as const
  expect(await until(showing(running, { status: 'suspended' }), 'r', suspended)).toEqual({ status: 'suspended' })
  const failed = { status: 'failed', outcome: { error: { message: 'no' } } } as unknown as RunDescription
  await expect(until(showing(running, failed), 'r', suspended)).rejects.toThrow('run "r" ended otherwise')
  expect(await until(showing(failed), 'r', ({ outcome }) => outcome !== undefined)).toBe(failed)
})
