/**
 * What Restate's table `sys_journal` holds raw: messages of its public service protocol (protobuf). Two fields are read:
 * what an invocation was called with, and what a `ctx.run` came to.
 */
import type { Json } from '@selvage/core'

const RUN_RESULT = 5
const INPUT_VALUE = 14
const VALUE_CONTENT = 1

/** What the step came to; undefined if it failed. `hex`: of a `Notification: Run`. */
export function runResult(hex: string): Json | undefined {
  return contentOf(hex, RUN_RESULT)
}

/** `hex`: of a `Command: Input`. */
export function inputOf(hex: string): Json | undefined {
  return contentOf(hex, INPUT_VALUE)
}

function contentOf(hex: string, field: number): Json | undefined {
  const value = bytesOf(Buffer.from(hex, 'hex'), field)
  const content = value === undefined ? undefined : bytesOf(value, VALUE_CONTENT)
  return content === undefined ? undefined : (JSON.parse(Buffer.from(content).toString()) as Json)
}

/** The last length-delimited field of that number. */
function bytesOf(message: Uint8Array, field: number): Uint8Array | undefined {
  let at = 0
  let found: Uint8Array | undefined
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] ?? 0
      value += (byte % 128) * scale
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    const kind = tag % 8
    if (kind === 2) {
      const length = varint()
      if ((tag - kind) / 8 === field) found = message.subarray(at, at + length)
      at += length
    } else if (kind === 0) varint()
    else if (kind === 1) at += 8
    else if (kind === 5) at += 4
    else return found
  }
  return found
}
