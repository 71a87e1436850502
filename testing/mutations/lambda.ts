import type { Mutation } from './mutation.ts'

export const LAMBDA: readonly Mutation[] = [
  {
    name: 'on Lambda a second signal of an id counts as well',
    breaks: 'I4',
    file: 'engines/lambda/src/post.ts',
    find: 'if (await this.service.invoke(this.names.signal(runId, id), payload)) return undefined',
    put: 'if (!(await this.service.invoke(this.names.signal(runId, id), payload))) return undefined',
    test: 'engines/lambda/src/conformance.test.ts',
    title: 'of two with the same id one counts, and the second sender is told which',
    titleIn: 'testing/src/conformance/signals.ts',
  },
  {
    name: 'on Lambda a run takes more signals at once than its reply can hold',
    breaks: 'docs/engines.md: 248 KiB without blobs',
    file: 'engines/lambda/src/queue.ts',
    find: 'if (left < 0 && found.length > 0) break',
    put: '',
    test: 'engines/lambda/src/order.test.ts',
    title: 'without blobs: signals that fit one by one and not together',
  },
  {
    name: 'on Lambda a sender that died leaves its signal claimed for ever',
    breaks: 'I4',
    file: 'engines/lambda/src/post.ts',
    find: "if (first.status === 'RUNNING') await this.ensure(found)",
    put: '',
    test: 'engines/lambda/src/order.test.ts',
    title: 'a sender that dies before its signal has a number',
  },
  {
    name: 'on Lambda a run is begun under a name whoever began it with whatever',
    breaks: 'docs/writing-an-engine.md: an idempotent start',
    file: 'engines/lambda/src/service.ts',
    find: "'DurableExecutionAlreadyStartedException',",
    put: '',
    test: 'engines/lambda/src/conformance.test.ts',
    title: 'of two with the same id one counts, and the second sender is told which',
    titleIn: 'testing/src/conformance/signals.ts',
  },
]
