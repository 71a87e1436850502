import { join } from 'node:path'

export function databaseFile(folder: string): string {
  return join(folder, 'selvage.db')
}

export function urlOf(folder: string): string {
  return `sqlite:${databaseFile(folder)}`
}
