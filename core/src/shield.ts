/**
 * The gate of a fiber as compensations and `onCancel` see it: open in spite of a cancel. Keys of `onCancel` are told apart
 * from those of the program, because a retry of the cancelled run makes them void; a run that is undone is not retried.
 */
import type { Fiber } from './fiber.ts'
import { shieldedKey } from './known.ts'
import type { Durable } from './ports.ts'

export function shield(fiber: Fiber, keyOf: (key: string) => string = shieldedKey): Durable {
  return {
    runId: fiber.runId,
    start: fiber.start,
    get abortSignal() {
      return fiber.lifetimeSignal
    },
    get isReplaying() {
      return fiber.isReplaying
    },
    history: fiber.history,
    fork: fiber.fork,
    outbound: fiber.outbound,
    step: (op, live, behaviour = {}) => fiber.ask({ ...op, key: keyOf(op.key) }, live, behaviour, true),
    transaction: (op, body, behaviour = {}) =>
      fiber.askTransaction({ ...op, key: keyOf(op.key) }, body, behaviour, true),
    wait: (key, signalName, until) => fiber.askWait(keyOf(key), signalName, until, true),
    open: (key, question) => fiber.open(keyOf(key), question),
    state: (key, patch) => fiber.state(key, patch),
    marked: (key) => fiber.marked(key),
    beyond: () => fiber.beyond(),
    blame: (error, key) => fiber.blame(error, key),
    renewed: (key) => fiber.renewed(key),
    current: () => fiber.current(),
    arrived: (signalName) => fiber.arrived(signalName),
    status: (value) => fiber.status(value),
    now: () => fiber.now(),
    clock: () => fiber.clock(),
    random: (stream) => fiber.random(stream),
    id: (prefix, label) => fiber.id(prefix, label),
    undo: (error, lost) => fiber.undo(error, lost),
    shielded() {
      return this
    },
  }
}
