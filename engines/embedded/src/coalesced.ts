/** Work that many ask for: one goes at a time, and all who ask while it goes share the one behind it. */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let going: Promise<void> | undefined
  let next: Promise<void> | undefined
  const begin = (): Promise<void> => {
    next = undefined
    going = work().finally(() => {
      going = undefined
    })
    return going
  }
  return () => {
    if (going === undefined) return next ?? begin()
    next ??= going.then(begin, begin)
    return next
  }
}
