/** How late a 2 ms timer fires: what an event loop that is kept busy does to everything else in its process. */

const PERIOD_MS = 2

export class Lateness {
  private worst = 0
  private due = 0
  private timer: NodeJS.Timeout | undefined

  begin(): void {
    this.worst = 0
    this.arm()
  }

  /** Milliseconds. A timer that is still overdue counts. */
  end(): number {
    clearTimeout(this.timer)
    return Math.max(this.worst, performance.now() - this.due)
  }

  private arm(): void {
    this.due = performance.now() + PERIOD_MS
    this.timer = setTimeout(() => {
      this.worst = Math.max(this.worst, performance.now() - this.due)
      this.arm()
    }, PERIOD_MS)
  }
}
