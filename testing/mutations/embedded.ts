import type { Mutation } from './mutation.ts'

export const EMBEDDED: readonly Mutation[] = [
  {
    name: 'a message counts as delivered before anybody has delivered it',
    breaks: 'docs/effects.md: the outbox delivers at least once',
    file: 'engines/embedded/src/courier.ts',
    find: 'await this.settle(claim, await this.attempt(claim, handler, abort))',
    put: "await this.settle(claim, { kind: 'delivered' }); await this.attempt(claim, handler, abort)",
    test: 'engines/embedded/src/conformance.test.ts',
    title: 'engine.after-settle-message',
    titleIn: 'testing/src/conformance/crash-matrix.ts',
    processes: true,
  },
  {
    name: 'suspects are held beside a message that kills',
    breaks: 'rule 9: a message that kills takes no run along',
    file: 'engines/embedded/src/worker.ts',
    find: 'const suspects = (await this.courier?.mayKill()) !== true',
    put: 'const suspects = true',
    test: 'selvage/src/poison.test.ts',
    title: 'a message that kills every process is dead in the end',
    processes: true,
  },
]
