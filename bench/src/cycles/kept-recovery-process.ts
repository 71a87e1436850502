/**
 * An agent that the SDK keeps by itself, killed and taken up:
 * node kept-recovery-process.js <session | checkpoints> <folder> <cycles> <make | take>. `make` leaves the folder as a
 * kill in the tool of the last cycle leaves it; `take` is a cold process that goes on, to its first call.
 */
import { firstCall } from '../first-call.ts'

const nodeStarted = performance.now()
const { keptBySdk } = await import('./session-ways.ts')
const imported = performance.now()

const RESULT_BYTES = 200
const [kind = '', folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const cycles = Number(count)
const checkpointing = kind === 'checkpoints'
const called = firstCall({ nodeStarted, imported }, cycles)

/** Also what keeps the process alive while it stands still. */
process.on('disconnect', () => process.exit())
if (mode === 'make') {
  const { leaveKeptBySdk } = await import('./session-left.ts')
  const shape = { folder, cycles, resultBytes: RESULT_BYTES }
  await leaveKeptBySdk(shape, checkpointing, () => process.send?.({ made: cycles }))
} else {
  const shape = { folder, cycles: cycles + 10, resultBytes: RESULT_BYTES }
  await keptBySdk(shape, { model: () => void called('model'), tool: (part) => called('tool', part) }, checkpointing)
}
