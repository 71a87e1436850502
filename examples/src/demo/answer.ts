/** The approval before publishing: the demo answers it as a person would, or lets the person at the terminal answer. */
import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Question, RunError, type Selvage } from 'selvage'
import { print } from './timeline.ts'

const READING_MS = 400
const LOOK_AGAIN_MS = 250

/** Resolves with who said what. */
export async function answerLikeAPerson(selvage: Selvage, runId: string, question: Question): Promise<string> {
  await sleep(READING_MS)
  await selvage.run(runId).approve(question.id, { by: 'the demo' })
  return 'yes, says the demo in place of a person (--ask lets you answer)'
}

/** Waits for a line on the terminal, or for an answer that comes through any other process. */
export async function askThePerson(selvage: Selvage, runId: string, question: Question, url: string): Promise<string> {
  print()
  print('  Publish the report? Answer y or n here, or from another terminal in this folder:')
  print(`    npx selvage --url '${url}' approve ${question.id}`)
  print(`    npx selvage --url '${url}' reject ${question.id} --reason '…'`)
  print()
  const elsewhere = new AbortController()
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answered = answeredElsewhere(selvage, question.id, elsewhere.signal)
    const typed = terminal.question('  y/n > ', { signal: elsewhere.signal })
    const first = await Promise.race([typed, answered])
    if (first === undefined) return 'came from another process'
    const yes = /^y/i.test(first.trim())
    const run = selvage.run(runId)
    if (yes) await run.approve(question.id, { by: 'the terminal' })
    else await run.reject(question.id, { reason: first.trim(), by: 'the terminal' })
    return `${yes ? 'yes' : 'no'}, says the terminal`
  } catch (error) {
    if (RunError.is(error, 'ALREADY_ANSWERED')) return 'came from another process, just before yours'
    throw error
  } finally {
    elsewhere.abort()
    terminal.close()
  }
}

async function answeredElsewhere(selvage: Selvage, id: string, abortSignal: AbortSignal): Promise<undefined> {
  while (!abortSignal.aborted) {
    const { status } = await selvage.approval(id)
    if (status !== 'open') return undefined
    await sleep(LOOK_AGAIN_MS, undefined, { signal: abortSignal }).catch(() => {})
  }
  return undefined
}
