import { createHash } from 'node:crypto'

const VARIANTS = 64

/** Strings whose JSON has `bytes` bytes: text that differs from step to step and does not compress by much. */
export function payloads(bytes: number): (n: number) => string {
  const texts = Array.from({ length: VARIANTS }, (_, variant) => textOf(bytes - 2, variant))
  return (n) => texts[n % VARIANTS] ?? ''
}

function textOf(length: number, variant: number): string {
  let text = ''
  for (let block = 0; text.length < length; block++) {
    text += createHash('sha256').update(`${variant}:${block}`).digest('base64url')
  }
  return text.slice(0, length)
}
