import type { Durable } from '@selvage/core'

/** `durable` with some of its parts replaced. */
export function withParts(durable: Durable, parts: Partial<Durable>): Durable {
  return new Proxy(durable, {
    get(target, name) {
      if (name in parts) return Reflect.get(parts, name)
      const part: unknown = Reflect.get(target, name, target)
      return typeof part === 'function' ? part.bind(target) : part
    },
  })
}
