/**
 * Leases are compared by workers on several machines, whose clocks differ: they are in the time of the database. How far the
 * clock of this machine is off is measured with every statement that looks at leases, to half a round trip; where the
 * difference could as well be the way there and back it counts as none. A clock that a test moves stays what it is: only
 * the difference between the two real clocks is added.
 */
export function offsetOf(theirs: number, askedAt: number, answeredAt: number): number {
  // Both clocks are read in whole milliseconds.
  if (theirs >= askedAt - 1 && theirs <= answeredAt + 1) return 0
  return theirs - (askedAt + answeredAt) / 2
}

/** What the server answers with. */
export const CLOCK = 'extract(epoch from clock_timestamp())::double precision * 1000 as clock'
