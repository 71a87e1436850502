/**
 * What belongs to a question goes by names that are made from its id or key, so that a store can tell what a signal or a
 * wait is about, and two processes that mean the same thing write the same id.
 *
 *   signals  `<id>`                       the answer
 *            `vote:<id>`                  what one of several people says; id `vote:<id>#<seat>`
 *            `delegate:<id>`              that somebody else is to answer; id `delegate:<id>#1`, `#2`, …
 *   waits    `<key>`                      until the question is over
 *            `<key>/vote#1`, `#2`, …      until the next of several people has said something
 *            `<key>/reminder#1`, `#2`, …  until it is time to remind; over by time, somebody was reminded
 */

const VOTE = 'vote:'
const DELEGATE = 'delegate:'

export function voteName(questionId: string): string {
  return `${VOTE}${questionId}`
}

/** One for each seat: whoever votes in its place, it is one vote. */
export function voteId(questionId: string, seat: string): string {
  return `${VOTE}${questionId}#${seat}`
}

export function delegateName(questionId: string): string {
  return `${DELEGATE}${questionId}`
}

/** `n`: 1, 2, …; the first writer of each wins, so that delegations come one after the other. */
export function delegationId(questionId: string, n: number): string {
  return `${DELEGATE}${questionId}#${n}`
}

/** The question that a signal of that name delegates. */
export function delegatedQuestion(signalName: string): string | undefined {
  return signalName.startsWith(DELEGATE) ? signalName.slice(DELEGATE.length) : undefined
}

/** The question that a signal of that name is a vote on. */
export function votedQuestion(signalName: string): string | undefined {
  return signalName.startsWith(VOTE) ? signalName.slice(VOTE.length) : undefined
}

export function voteKey(key: string, n: number): string {
  return `${key}/vote#${n}`
}

export function reminderKey(key: string, n: number): string {
  return `${key}/reminder#${n}`
}

const PART = /\/(vote|reminder)#\d+$/

/** The key of the question that a wait is for. */
export function questionKey(waitKey: string): string {
  return waitKey.replace(PART, '')
}

/** Whether a wait that time has ended was a reminder. */
export function isReminder(waitKey: string): boolean {
  return PART.exec(waitKey)?.[1] === 'reminder'
}
