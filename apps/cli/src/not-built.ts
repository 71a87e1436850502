import { UsageError } from '@selvage/core'

export function notBuilt(what: string, instead: string): UsageError {
  return new UsageError('UNSUPPORTED', `'${what}' is not built yet.`, { hint: instead })
}
