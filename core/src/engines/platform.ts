/** What engines need of the process that they are in. `nodePlatform()` of @selvage/runtime-node has it. */
export interface Platform {
  /** Epoch milliseconds. */
  now(): number
  /** Calls back once; the returned function cancels. Does not keep the process alive. */
  timer(ms: number, callback: () => void): () => void
  /** The same for what somebody waits for: it keeps the process alive. */
  waitingTimer(ms: number, callback: () => void): () => void
  /** Whether the process of that `Runtime.identity` may live. On another machine nobody here can tell: it may. */
  mayLive(identity: string): boolean
  /** Told of failures that are tried again. */
  report(error: unknown): void
}
