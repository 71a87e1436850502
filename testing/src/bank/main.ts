/**
 * The process of a bank: node main.js <BankOptions as JSON>. It says `{ "url" }`, then each line of its ledger as it is
 * written; troubles come in as lines of JSON, and each is confirmed by `{ "expects" }`. It ends with the process that
 * spawned it.
 */
import { writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { type BankOptions, bankServer } from './server.ts'
import { type Trouble, Troubles } from './trouble.ts'

const options = JSON.parse(process.argv[2] ?? '') as BankOptions
const say = (news: unknown): void => void writeSync(1, `${JSON.stringify(news)}\n`)
const troubles = new Troubles()
const server = bankServer(options, troubles, (line) => say({ line }))
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const trouble = JSON.parse(line) as Trouble
    troubles.add(trouble)
    say({ expects: trouble })
  })
  .on('close', () => process.exit())
server.listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
