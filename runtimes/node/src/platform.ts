/** What engines whose journal lies elsewhere need of the process that they are in. */
import { hostname } from 'node:os'
import type { Clock } from '@selvage/core'
import type { Platform } from '@selvage/core/engines'
import { systemClock } from './clock.ts'

export interface NodePlatformOptions {
  /** Default: the system's. */
  readonly clock?: Pick<Clock, 'now'> | undefined
  /** Told of failures that are tried again. Default: a warning on the console, once per message. */
  readonly onError?: ((error: unknown) => void) | undefined
}

export function nodePlatform({ clock = systemClock, onError = warnOnce() }: NodePlatformOptions = {}): Platform {
  return {
    now: () => clock.now(),
    timer: systemClock.timer,
    waitingTimer(ms, callback) {
      // Longer ones would fire at once: who waits looks again.
      const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1))
      return () => clearTimeout(timer)
    },
    mayLive,
    report: onError,
  }
}

/** `identity`: name of the machine and pid, as in `Runtime.identity`. */
function mayLive(identity: string): boolean {
  const at = identity.lastIndexOf(':')
  if (identity.slice(0, at) !== hostname()) return true
  try {
    process.kill(Number(identity.slice(at + 1)), 0)
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'ESRCH'
  }
}

const MAX_MESSAGES = 1_000

function warnOnce(): (error: unknown) => void {
  const seen = new Set<string>()
  return (error) => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    if (seen.has(message) || seen.size === MAX_MESSAGES) return
    seen.add(message)
    console.warn(`[selvage] ${message}`)
  }
}
