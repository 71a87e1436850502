/** Nothing that cannot be written passes between engine and host. */
export function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
