/** A chat: one run for as many messages as come, which sleeps between two and is woken in whatever process. */
import { encode } from '@selvage/core'
import { createSessionProgram, MESSAGE, type Replied, ReplyReader, sessionProgramName } from '@selvage/strands'
import { scriptedModel } from '@selvage/strands/testing'
import { type Inside, inside, type Section } from '@selvage/testing/conformance'
import { Agent } from '@strands-agents/sdk'
import { expect, test } from 'vitest'

export const chat: Section = {
  title: 'agents: a chat',
  register({ under }) {
    const asked: string[] = []
    const program = createSessionProgram(
      'chat',
      () => {
        const model = scriptedModel((messages) => {
          const said = messages.flatMap(({ role, content }) =>
            content.flatMap((block) => ('text' in block ? [`${role}: ${block.text}`] : [])),
          )
          asked.push(said.at(-1) ?? '')
          return `I have heard ${said.filter((line) => line.startsWith('user')).length}.`
        })
        return new Agent({ model, printer: false })
      },
      { log: () => {} },
    )
    const opened = inside(under, [program])

    const send = (runId: string, id: string, text: string): ReturnType<Inside['signal']> =>
      opened().engine.signal(runId, { id, name: MESSAGE, payload: { input: encode(text, 'a message') } })

    /** Resolves with the text of the reply. */
    async function reply(runId: string, id: string): Promise<string> {
      for (;;) {
        const { status, entries } = await opened().engine.describe(runId)
        const reader = new ReplyReader(runId, id)
        for (const entry of await opened().engine.journal(runId, 0)) {
          const replied: Replied | undefined = reader.take(entry)
          if (replied !== undefined && 'result' in replied) return replied.result.text
          if (replied !== undefined) throw replied.error
        }
        await opened().engine.changed(runId, { status, entries })
      }
    }

    test('each message is answered once, with the conversation so far, also by a worker that has not seen it', async () => {
      await opened().start('s1', sessionProgramName('chat'))
      await send('s1', 'm1', 'Hello.')
      expect(await reply('s1', 'm1')).toBe('I have heard 1.')
      await opened().suspended('s1')
      await opened().workAnew()
      expect(await send('s1', 'm1', 'Hello.')).toMatchObject({ accepted: false })
      await send('s1', 'm2', 'And again.')
      expect(await reply('s1', 'm2')).toBe('I have heard 2.')
      expect(asked).toEqual(['user: Hello.', 'user: And again.'])
    })

    test('messages that come at once, while nobody works, are answered in their order', async () => {
      await opened().rest()
      await opened().start('s2', sessionProgramName('chat'))
      for (const n of [1, 2, 3]) await send('s2', `m${n}`, `Message ${n}.`)
      await opened().work()
      expect(await reply('s2', 'm3')).toBe('I have heard 3.')
      expect(asked.slice(2)).toEqual([1, 2, 3].map((n) => `user: Message ${n}.`))
    })

    test('a chat goes on until it is cancelled', async () => {
      await opened().start('s3', sessionProgramName('chat'))
      await opened().suspended('s3')
      await opened().engine.cancel('s3', 'goodbye')
      expect(await opened().ended('s3')).toMatchObject({ cancelled: 'goodbye' })
    })
  },
}
