/** 1 … hits, or so many of them, the first and the last included; a single one in the middle. */
export function spread(hits: number, most: number): number[] {
  if (hits <= most) return Array.from({ length: hits }, (_, index) => index + 1)
  if (most === 1) return [Math.ceil(hits / 2)]
  return Array.from({ length: most }, (_, index) => 1 + Math.round((index * (hits - 1)) / (most - 1)))
}
