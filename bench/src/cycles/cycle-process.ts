/**
 * One run in one way, in a process of its own: node cycle-process.js <way> <shape as JSON>. It says when all is imported,
 * and begins when it is told to: several of them are imported at once and then run one after another.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { MessageBytes } from './message-bytes.ts'
import { type Shape, WAYS, type WayName } from './ways.ts'

export interface Cycles {
  readonly ms: number
  /** Bytes given to `write`; undefined where the system does not count them. */
  readonly written: number | undefined
  readonly peakMiB: number
  readonly modelCalls: number
  readonly toolCalls: number
  readonly messageBytes: MessageBytes | undefined
}

const [way = '', shape = '{}'] = process.argv.slice(2)
process.send?.('there')
await once(process, 'message')
const before = written()
const began = performance.now()
const { model, tool, messageBytes } = await WAYS[way as WayName].run(JSON.parse(shape) as Shape)
const ms = performance.now() - began
const after = written()
const answer: Cycles = {
  ms,
  written: before === undefined || after === undefined ? undefined : after - before,
  peakMiB: peak() / 1_024,
  modelCalls: model,
  toolCalls: tool,
  messageBytes: messageBytes?.(),
}
process.send?.(answer)
process.disconnect()

/** KiB of this program: `maxRSS` would be that of the bench where that is more, since a child inherits it. */
function peak(): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  } catch {
    return process.resourceUsage().maxRSS
  }
}

function written(): number | undefined {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}
