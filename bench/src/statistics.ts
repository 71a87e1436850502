/** Medians and spreads. A mean would let one stall of the machine speak for all. */

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly min: number
  readonly max: number
}

/** Median, quartiles and ends. */
export function spread(values: readonly number[]): Spread {
  return {
    median: median(values),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    min: Math.min(...values),
    max: Math.max(...values),
  }
}

/** `a[i] / b[i]`: what two contenders took in the same round, whatever the machine did in that round. Rounds that only one of them played are left out. */
export function ratios(a: readonly number[], b: readonly number[]): number[] {
  return a.slice(0, b.length).map((value, index) => value / (b[index] ?? Number.NaN))
}
