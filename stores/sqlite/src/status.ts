/** Statuses as rows hold them. */
import type { Outcome, RunStatus } from '@selvage/core'

const NAMES: readonly RunStatus[] = ['pending', 'running', 'suspended', 'completed', 'failed', 'cancelled']

export const PENDING = 0
export const RUNNING = 1
export const SUSPENDED = 2
export const COMPLETED = 3
export const FAILED = 4
export const CANCELLED = 5

export function statusName(status: number): RunStatus {
  return NAMES[status] ?? 'failed'
}

export function statusCode(name: RunStatus): number {
  return NAMES.indexOf(name)
}

export function statusOf(outcome: Outcome): number {
  if ('ok' in outcome) return COMPLETED
  return 'cancelled' in outcome ? CANCELLED : FAILED
}

export function hasEnded(status: number): boolean {
  return status >= COMPLETED
}
