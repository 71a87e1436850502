import type { ChildProcess } from 'node:child_process'
import { forkChild } from '../../children.ts'
import type { SignalKind, SignalSender, Wakes } from '../../contender.ts'
import { wakesOf } from '../../wakes.ts'

export function signals(folder: string, sender: SignalSender, kind: SignalKind): Promise<Wakes> {
  const begin = (role: string): ChildProcess =>
    forkChild(new URL('./signals-process.js', import.meta.url), [folder, role, kind])
  return sender === 'same process' ? wakesOf(begin('both')) : wakesOf(begin('work'), begin('send'))
}
