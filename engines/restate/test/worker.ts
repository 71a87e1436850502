/** A worker in a process of its own, to be killed: `node worker.ts <folder>`. Each effect is a line in `<folder>/effects`. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { enginePrograms } from '@selvage/testing'
import { open } from './under-test.ts'

const folder = process.argv[2] ?? ''
process.stdin.on('end', () => process.exit()).resume()
const { engine, host } = await open(folder)
await engine.serve(host(enginePrograms((line) => appendFileSync(join(folder, 'effects'), `${line}\n`))))
console.log('ready')
