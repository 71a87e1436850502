/**
 * base64url without padding (RFC 4648 §5): the one text form of bytes in Selvage, for hashes, ids and recorded bytes
 * alike. Written here because core may use neither Buffer nor what only new runtimes have (`Uint8Array.toBase64`).
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const INVALID = 255

const codes = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0))
const values = new Uint8Array(128).fill(INVALID)
codes.forEach((code, value) => {
  values[code] = value
})

/** 4 characters for every 3 bytes, no padding. */
export function base64url(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let out = 0
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (byteAt(bytes, at) << 16) | (byteAt(bytes, at + 1) << 8) | byteAt(bytes, at + 2)
    // Writes past the end of `text`, where the last group is short, are ignored.
    text[out++] = byteAt(codes, group >> 18)
    text[out++] = byteAt(codes, (group >> 12) & 63)
    text[out++] = byteAt(codes, (group >> 6) & 63)
    text[out++] = byteAt(codes, group & 63)
  }
  return new TextDecoder().decode(text)
}

/** The bytes that `base64url` was given; undefined if the text is not what it writes. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let out = 0
  for (let at = 0; at < text.length; at += 4) {
    let group = 0
    for (let offset = 0; offset < 4; offset++) {
      const code = at + offset < text.length ? text.charCodeAt(at + offset) : 65
      const value = code < 128 ? byteAt(values, code) : INVALID
      if (value === INVALID) return undefined
      group = (group << 6) | value
    }
    bytes[out++] = group >> 16
    bytes[out++] = (group >> 8) & 255
    bytes[out++] = group & 255
  }
  return bytes
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
