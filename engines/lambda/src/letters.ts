/** Signals on their way: as they are, or, where they are large, in a blob. */
import { type Blobs, EngineError, type Signal } from '@selvage/core'
import { tooLarge } from './errors.ts'
import { ENVELOPE_BYTES, PAYLOAD_BYTES } from './limits.ts'
import type { Letter } from './wire.ts'

/** UNSUPPORTED for what is too large where there are no blobs. */
export async function writeLetter(blobs: Blobs | undefined, signal: Signal): Promise<Letter> {
  const text = JSON.stringify(signal)
  const bytes = Buffer.byteLength(text)
  if (bytes <= PAYLOAD_BYTES - ENVELOPE_BYTES) return { signal }
  if (blobs === undefined) throw tooLarge('signal', bytes, PAYLOAD_BYTES - ENVELOPE_BYTES)
  return { blob: await blobs.put(Buffer.from(text)) }
}

export async function readLetter(blobs: Blobs | undefined, letter: Letter): Promise<Signal> {
  if ('signal' in letter) return letter.signal
  if (blobs === undefined) {
    throw new EngineError('CORRUPT', `A signal lies in blob ${letter.blob}, and this process has no blobs.`, {
      hint: 'Give every process the blobs that the function has: lambdaEngine({ blobs }).',
    })
  }
  return JSON.parse(Buffer.from(await blobs.get(letter.blob)).toString()) as Signal
}
