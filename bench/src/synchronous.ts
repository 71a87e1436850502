/** Whether SQLite's `synchronous` is what was asked for. Programs of bench/peers run this file as it is: it imports nothing. */
import type { Durability } from './contender.ts'

const CODES: { readonly [durability in Durability]: number } = { normal: 1, full: 2 }

/** `read`: what the pragma says. */
export function isSetTo(durability: Durability, read: unknown): void {
  if (read !== CODES[durability]) throw new Error(`synchronous should be ${durability}, and is ${read}`)
}
