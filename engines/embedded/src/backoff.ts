/** How long to wait after the n-th failure in a row of something that may work later: 100 ms, doubled, at most 30 s. */
const FIRST_MS = 100
const LONGEST_MS = 30_000

export function backoffMs(failures: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20))
}
