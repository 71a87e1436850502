/**
 * A bank to judge effects by, in a process of its own: what it has refunded, charged and sent is in its ledger, whatever
 * becomes of those who asked.
 */
export { BankProcess } from './bank-process.ts'
export { type ActOptions, type BankClient, BankError, bankClient } from './client.ts'
export { type Asked, acted, type BankLine, type Deed, duplicates } from './ledger.ts'
export type { BankOptions, Receipt } from './server.ts'
export type { Trouble } from './trouble.ts'
