/**
 * Our timers and watchers never keep a process alive: an idle engine would hang a script that is done. What must keep
 * it alive is somebody who waits (`result()`, an event reader) or a worker, and each says so for as long as it does.
 */
let holders = 0
let handle: ReturnType<typeof setInterval> | undefined

/** Keeps this process alive until the returned function is called. Calling it twice is harmless. */
export function keepAlive(): () => void {
  holders += 1
  handle ??= setInterval(() => {}, 2 ** 30)
  let held = true
  return () => {
    if (!held) return
    held = false
    holders -= 1
    if (holders > 0) return
    clearInterval(handle)
    handle = undefined
  }
}
