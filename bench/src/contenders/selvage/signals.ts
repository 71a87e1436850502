import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { forkChild } from '../../children.ts'
import type { SignalKind, SignalSender } from '../../contender.ts'

export async function signals(
  folder: string,
  count: number,
  sender: SignalSender,
  kind: SignalKind,
): Promise<readonly number[]> {
  const begin = (role: string): ChildProcess =>
    forkChild(new URL('./signals-process.js', import.meta.url), [folder, String(count), role, kind], {
      serialization: 'advanced',
    })
  const worker = begin(sender === 'same process' ? 'both' : 'work')
  await once(worker, 'message')
  const latencies = once(worker, 'message')
  if (sender === 'another process') begin('send')
  const [measured] = await latencies
  await once(worker, 'exit')
  return measured as readonly number[]
}
