import type { ForkOptions } from 'node:child_process'
import { forkChild } from '../../children.ts'
import type { Chat, Contender, Continued, SetUp } from '../../contender.ts'
import { reportOf } from './report-of.ts'

export const chat: NonNullable<Contender['chat']> = {
  async make(folder, messages) {
    return (await told(folder, messages, 'make')) as Chat
  },
  async take(folder, messages, setUp) {
    return (await told(folder, messages, 'take', setUp)) as Continued
  },
  async plain(messages, setUp) {
    return (await told('', messages, 'plain', setUp)) as number
  },
}

function told(folder: string, messages: number, mode: 'make' | 'take' | 'plain', setUp?: SetUp): Promise<unknown> {
  const program = new URL('./chat-process.js', import.meta.url)
  return reportOf(forkChild(program, [folder, String(messages), mode], startedAs(setUp)))
}

/** For `fork`. */
export function startedAs({ compileCache }: SetUp = {}): ForkOptions {
  return compileCache === undefined ? {} : { env: { ...process.env, NODE_COMPILE_CACHE: compileCache } }
}
