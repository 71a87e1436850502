import { expect, it } from 'vitest'
import { network } from './commands/doctor.ts'
import { fileSystemAt, fileSystemOf } from './file-system.ts'

it.each([
  [0x6969, 'NFS', 'no'],
  // As a number with a sign, which it is where a long has 32 bits.
  [0xff534d42 | 0, 'CIFS', 'no'],
  [0xff534d42, 'CIFS', 'no'],
  [0x65735546, 'FUSE', 'perhaps'],
  [0xef53, 'local', 'yes'],
  [0x01021994, 'local', 'yes'],
])('a file system of type %i is %s, where processes share memory: %s', (type, name, shares) => {
  expect(fileSystemOf(type, 'linux')).toEqual({ name, shares })
})

it('is told by doctor where processes may not share memory', () => {
  const told = (type: number): unknown[] =>
    network(fileSystemOf(type, 'linux')).map(({ state, found }) => [state, found])
  expect(told(0x6969)).toEqual([['warn', 'NFS, over a network']])
  expect(told(0x65735546)).toEqual([['warn', 'FUSE, perhaps over a network']])
  expect(told(0xef53)).toEqual([])
})

it.runIf(process.platform === 'linux')('is looked up where the database lies', () => {
  expect(fileSystemAt('/proc/version')).toEqual({ name: 'local', shares: 'yes' })
})

it('is unknown where the numbers mean something else', () => {
  expect(fileSystemOf(0x6969, 'darwin')).toBeUndefined()
})
