import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Chat, Contender, Continued } from '../../contender.ts'

export const chat: NonNullable<Contender['chat']> = {
  async make(folder, messages) {
    return (await told(folder, messages, 'make')) as Chat
  },
  async take(folder, messages) {
    return (await told(folder, messages, 'take')) as Continued
  },
}

/** What the process reports at its end. */
async function told(folder: string, messages: number, mode: 'make' | 'take'): Promise<unknown> {
  const child = fork(new URL('./chat-process.js', import.meta.url), [folder, String(messages), mode])
  let report: unknown
  child.once('message', (message) => {
    report = message
  })
  const [code] = await once(child, 'exit')
  if (report === undefined) throw new Error(`a session ended with code ${code} and no report`)
  return report
}
