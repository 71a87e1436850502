const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** A version 4 UUID (RFC 9562) of 22 base64url characters. */
export function uuidFrom(id: string): string {
  let bits = 0n
  for (const character of id) bits = (bits << 6n) | BigInt(ALPHABET.indexOf(character))
  const hex = (bits & ((1n << 128n) - 1n)).toString(16).padStart(32, '0')
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
}
