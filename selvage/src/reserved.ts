import { UsageError } from '@selvage/core'

/** An ability whose name is taken and whose work is not done. */
export function notBuilt(what: string, instead: string): UsageError {
  return new UsageError('UNSUPPORTED', `${what} is not built yet.`, { hint: instead })
}
