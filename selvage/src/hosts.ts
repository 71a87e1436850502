/**
 * The hosts of one opened Selvage: that of its worker, and one for each attachment of an agent that `durable({ selvage })` made
 * durable with it. A reader of a run hears whichever has it, also one that comes later.
 */
import type { Host, LiveNote } from '@selvage/core'

type Hear = (host: Host) => void

export class Hosts implements Pick<Host, 'subscribe'> {
  /** Who gives a host up lets it go. */
  readonly #hosts = new Set<WeakRef<Host>>()
  readonly #readers = new Set<Hear>()

  add(host: Host): Host {
    for (const ref of this.#hosts) if (ref.deref() === undefined) this.#hosts.delete(ref)
    this.#hosts.add(new WeakRef(host))
    for (const hear of this.#readers) hear(host)
    return host
  }

  subscribe(runId: string, listener: (note: LiveNote) => void): () => void {
    const leave: (() => void)[] = []
    const hear: Hear = (host) => void leave.push(host.subscribe(runId, listener))
    this.#readers.add(hear)
    for (const ref of this.#hosts) {
      const host = ref.deref()
      if (host !== undefined) hear(host)
    }
    return () => {
      this.#readers.delete(hear)
      for (const each of leave) each()
    }
  }
}
