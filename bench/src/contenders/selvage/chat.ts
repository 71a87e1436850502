import { forkChild } from '../../children.ts'
import type { Chat, Contender, Continued } from '../../contender.ts'
import { reportOf } from './report-of.ts'

export const chat: NonNullable<Contender['chat']> = {
  async make(folder, messages) {
    return (await told(folder, messages, 'make')) as Chat
  },
  async take(folder, messages) {
    return (await told(folder, messages, 'take')) as Continued
  },
  async plain(messages) {
    return (await told('', messages, 'plain')) as number
  },
}

function told(folder: string, messages: number, mode: 'make' | 'take' | 'plain'): Promise<unknown> {
  return reportOf(forkChild(new URL('./chat-process.js', import.meta.url), [folder, String(messages), mode]))
}
