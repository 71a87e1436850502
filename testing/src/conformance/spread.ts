/** 1 … hits, or so many of them, the first and the last included. */
export function spread(hits: number, most: number): number[] {
  if (hits <= most) return Array.from({ length: hits }, (_, index) => index + 1)
  return Array.from({ length: most }, (_, index) => 1 + Math.round((index * (hits - 1)) / (most - 1)))
}
