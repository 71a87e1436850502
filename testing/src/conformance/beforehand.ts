/** What sections have ready before their first test. Each is called where tests are registered, what it returns in a test. */
import { afterAll, beforeAll } from 'vitest'
import { BankProcess } from '../bank/bank-process.ts'
import type { BankOptions } from '../bank/server.ts'
import { type Baseline, playUndisturbed } from '../crash/play.ts'
import type { Given } from '../crash/site.ts'
import type { EngineUnderTest, PlaceOptions } from '../crash/under-test.ts'
import { PATIENT_MS } from './given.ts'

/** A bank that is open as long as the tests run. */
export function openBank(options: Partial<BankOptions> = {}): () => BankProcess {
  return ready(
    () => BankProcess.open(options),
    (bank) => bank.close(),
  )
}

/** What the scenario comes to when nobody is killed. */
export function undisturbed(under: EngineUnderTest, given: Given, options: PlaceOptions = {}): () => Baseline {
  return ready(() => playUndisturbed(under, given, options))
}

/** Opened before the first test of the section, closed behind its last one. */
export function ready<T>(open: () => Promise<T>, close?: (opened: T) => Promise<void>): () => T {
  let opened: T | undefined
  const get = (): T => {
    if (opened === undefined) throw new Error('asked for before the tests run')
    return opened
  }
  beforeAll(async () => {
    opened = await open()
  }, PATIENT_MS)
  if (close !== undefined) afterAll(() => opened && close(opened))
  return get
}
