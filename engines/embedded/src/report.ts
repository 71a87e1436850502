/** What happens to errors that nobody awaits: infrastructure that failed in the background. */
export type Reporter = (error: unknown) => void

const REMEMBERED = 1_000

/** Warns on the console, once per message: a full disk is news once, not ten times a second. */
export function warnOnce(): Reporter {
  const seen = new Set<string>()
  return (error) => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    if (seen.has(message)) return
    if (seen.size === REMEMBERED) seen.clear()
    seen.add(message)
    console.warn(`[selvage] ${message}`)
  }
}

/** A reporter of the user's that throws must not take a worker down. */
export function guarded(report: Reporter): Reporter {
  return (error) => {
    try {
      report(error)
    } catch (failure) {
      console.error('[selvage] onError threw', failure)
    }
  }
}
