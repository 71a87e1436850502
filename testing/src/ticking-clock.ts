/** Time that passes by turns of the event loop, a millisecond each: waits are as cheap and as repeatable as promises. */
import { type FakeClock, fakeClock } from './fake-clock.ts'

export interface TickingClock extends FakeClock {
  stop(): void
}

export function tickingClock(start?: number): TickingClock {
  const clock = fakeClock(start)
  let ticking = true
  const tick = async (): Promise<void> => {
    while (ticking) await clock.advance(1)
  }
  void tick()
  const stop = (): void => {
    ticking = false
  }
  return Object.assign(clock, { stop })
}
