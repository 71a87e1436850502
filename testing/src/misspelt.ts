/** Whether options are refused as everywhere in Selvage: one that nobody knows is never ignored. */
import { SelvageError } from '@selvage/core'

/** What is given for options, and how what is told of it begins behind the name of who was asked. */
const GIVEN = [
  [{ efect: 1 }, ' has no option "efect". It knows '],
  ['once', ' was given'],
  [['once'], ' was given'],
  [null, ' was given'],
] as const

/** How `make`, which goes by the name `what`, answers a misspelt option, a text, a list and null, where that is no BAD_INPUT of its own. */
export async function badRefusals(what: string, make: (options: never) => unknown): Promise<readonly string[]> {
  const bad: string[] = []
  for (const [given, told] of GIVEN) {
    const answer = await answerOf(() => make(given as never))
    const isOurs = SelvageError.is(answer, 'BAD_INPUT') && answer.message.includes(`${what}${told}`)
    if (!isOurs) bad.push(`${JSON.stringify(given)}: ${String(answer)}`)
  }
  return bad
}

async function answerOf(make: () => unknown): Promise<unknown> {
  try {
    return await make()
  } catch (error) {
    return error
  }
}
