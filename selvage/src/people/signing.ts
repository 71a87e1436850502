/** HMAC-SHA256 with secrets that change: the first one signs, any of them is believed. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { UsageError } from '@selvage/core'

/** Of a secret that nobody guesses; what people think up is shorter. */
const SHORTEST_SECRET = 16

export type Secret = string | readonly string[]

/** BAD_INPUT for none, and for one of less than 16 characters. `option`: what to call it. */
export function secretsOf(option: string, secret: Secret): readonly string[] {
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (secrets.length > 0 && secrets.every((one) => typeof one === 'string' && one.length >= SHORTEST_SECRET))
    return secrets
  throw new UsageError('BAD_INPUT', `${option} is no secret.`, {
    hint: `Give a random text of at least ${SHORTEST_SECRET} characters, or a list of them: the first signs, all are believed.`,
  })
}

/** base64url. */
export function sign(secrets: readonly string[], text: string): string {
  return createHmac('sha256', secrets[0] as string)
    .update(text)
    .digest('base64url')
}

/** Takes the same time whatever is wrong with it. */
export function isSigned(secrets: readonly string[], text: string, signature: string): boolean {
  const given = createHash('sha256').update(signature).digest()
  let found = false
  for (const secret of secrets) {
    const right = createHash('sha256')
      .update(sign([secret], text))
      .digest()
    if (timingSafeEqual(given, right)) found = true
  }
  return found
}

/** base64url of its SHA-256: tells that it was this text, and not which. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
