/** Where the profile of something is written down. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const DECISIONS: URL = new URL('../../docs/decisions/', import.meta.url)

/** Links from bench/RESULTS.md to the records of those numbers, behind what they say; nothing where there are none. */
export function decisions(what: string, ...numbers: readonly string[]): string {
  const files = readdirSync(fileURLToPath(DECISIONS))
  const links = numbers.flatMap((number) => {
    const file = files.find((name) => name.startsWith(`${number}-`))
    return file === undefined ? [] : [`[decision ${number}](../docs/decisions/${file})`]
  })
  return links.length === 0 ? '' : `${what}: ${links.join(', ')}`
}
