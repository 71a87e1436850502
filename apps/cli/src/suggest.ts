/** The ids that somebody who typed `wrong` may have meant: those that begin with it, else those a few letters away. */
export function near(wrong: string, ids: readonly string[], limit = 3): string[] {
  const begins = wrong.length >= 3 ? ids.filter((id) => id.startsWith(wrong) || wrong.startsWith(id)) : []
  if (begins.length > 0) return begins.slice(0, limit)
  const allowed = Math.max(1, Math.floor(wrong.length / 4))
  return ids
    .map((id) => ({ id, distance: distance(wrong.toLowerCase(), id.toLowerCase(), allowed) }))
    .filter((candidate) => candidate.distance <= allowed)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map((candidate) => candidate.id)
}

/** Letters to insert, delete or replace; anything above `limit` is only known to be above it. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      line[column] = Math.min(replaced, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1)
    }
    above = line
  }
  return above[b.length] ?? 0
}
