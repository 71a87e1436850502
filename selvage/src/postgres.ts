import { type Store, UsageError } from '@selvage/core'
import type { OpenOptions } from './assemble.ts'

/** The store of another package, which is loaded only where a url asks for it: nobody else needs its driver. */
export async function openPostgres(url: string, options: Pick<OpenOptions, 'durability' | 'create'>): Promise<Store> {
  const { durability, create } = options
  const { postgresStore } = await load()
  return await postgresStore({
    url,
    ...(durability !== undefined && { durability }),
    ...(create !== undefined && { create }),
  })
}

async function load(): Promise<typeof import('@selvage/store-postgres')> {
  try {
    return await import('@selvage/store-postgres')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new UsageError('UNSUPPORTED', 'A postgres: url needs the package @selvage/store-postgres.', {
      hint: 'npm install @selvage/store-postgres',
      cause,
    })
  }
}
