/**
 * The migrations: the files in schema/, oldest first.
 *
 * In what is published their text stands in place of this module (scripts/pack.ts): whoever bundles a program takes no files along.
 */
import { readdirSync, readFileSync } from 'node:fs'

const FOLDER = new URL('../schema/', import.meta.url)

export const MIGRATIONS: readonly string[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.sql'))
  .sort()
  .map((name) => readFileSync(new URL(name, FOLDER), 'utf8'))
