/** The reason with which a run is cancelled at its deadline (epoch ms): who reads an outcome knows it by this. */
export function deadlineReason(deadline: number): string {
  return `the deadline ${new Date(deadline).toISOString()} has passed`
}
