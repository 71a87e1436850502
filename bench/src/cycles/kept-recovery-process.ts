/**
 * An agent that the SDK keeps by itself, killed and taken up:
 * node kept-recovery-process.js <session | checkpoints> <folder> <cycles> <make | take>. `make` leaves the folder as a
 * kill in the tool of the last cycle leaves it; `take` is a cold process that goes on, to its first call.
 */
import type { KeptRecovery } from '../contender.ts'

const nodeStarted = performance.now()
const { keptBySdk, leaveKeptBySdk } = await import('./session-ways.ts')
const imported = performance.now()

const RESULT_BYTES = 200
const [kind = '', folder = '', count = '0', mode = 'make'] = process.argv.slice(2)
const cycles = Number(count)
const checkpointing = kind === 'checkpoints'
let isTold = false

/** Also what keeps the process alive while it stands still. */
process.on('disconnect', () => process.exit())
if (mode === 'make') {
  const shape = { folder, cycles, resultBytes: RESULT_BYTES }
  await leaveKeptBySdk(shape, checkpointing, () => process.send?.({ made: cycles }))
} else {
  const shape = { folder, cycles: cycles + 10, resultBytes: RESULT_BYTES }
  await keptBySdk(shape, { model: () => tell('model'), tool: (part) => told(part) }, checkpointing)
}

function told(part: number): Promise<void> {
  tell('tool', part)
  return new Promise(() => {})
}

function tell(first: 'model' | 'tool', part?: number): void {
  if (isTold) return
  isTold = true
  const isInFlight = first === 'tool' && part === cycles
  const report: KeptRecovery = {
    nodeStarted,
    imported,
    nextStep: performance.now(),
    first,
    repeated: isInFlight ? 0 : 1,
  }
  process.send?.(report)
}
