/** Who works: hosts that come and go. On a real engine they are processes, and the engine's own queue finds one. */
import type { Host, Start } from '@selvage/core'
import { isRegistered } from '@selvage/core/engines'

export interface Worker {
  readonly host: Host
  /** Fires when it works no more. */
  readonly stopped: AbortSignal
}

export class Workers {
  private readonly all = new Set<Worker>()
  private readonly waiting = new Set<() => void>()

  /** Returns what stops it. */
  add(host: Host): () => void {
    const end = new AbortController()
    const worker: Worker = { host, stopped: end.signal }
    this.all.add(worker)
    for (const look of this.waiting) look()
    this.waiting.clear()
    return () => {
      this.all.delete(worker)
      end.abort()
    }
  }

  /** One that has the program, as soon as there is one. */
  async find(start: Start): Promise<Worker> {
    for (;;) {
      const worker = [...this.all].find(({ host }) => isRegistered(host, start))
      if (worker !== undefined) return worker
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
  }
}
