/** Names of prepared statements: a connection has each of ours parsed and planned once. */
const names = new Map<string, string>()

export function statementName(sql: string): string {
  const known = names.get(sql)
  if (known !== undefined) return known
  const name = `selvage_${names.size + 1}`
  names.set(sql, name)
  return name
}
