/** Where the profile of something is written down. */

/** Links from bench/RESULTS.md to those records (names of files in docs/decisions, without `.md`), behind what they say. */
export function decisions(what: string, ...records: readonly [string, ...string[]]): string {
  const links = records.map((record) => `[decision ${record.slice(0, 4)}](../docs/decisions/${record}.md)`)
  return `${what}: ${links.join(', ')}`
}
