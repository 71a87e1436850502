/**
 * A worker in a process of its own, to be killed: `node worker.ts <folder> [defaults]`. Each effect is a line in
 * `<folder>/effects`.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { enginePrograms } from '@selvage/testing'
import { openIn } from './under-test.ts'

const [, , folder = '', defaults] = process.argv
process.stdin.on('end', () => process.exit()).resume()
const { engine, host } = await openIn(folder, { leaseMs: defaults === undefined ? 1_000 : 5_000 })
await engine.serve(host(enginePrograms((line) => appendFileSync(join(folder, 'effects'), `${line}\n`))))
console.log('ready')
