/** The key of the step that undoes a step; made again because somebody said so, it is `<key>/undo/again#<n>`. */
export function undoKey(key: string): string {
  return `${key}/undo`
}

/** The key of the step that is undone by the step of this key, if it is one that undoes. */
export function undoneBy(key: string): string | undefined {
  return /^(.+)\/undo(?:\/again#\d+)?$/s.exec(key)?.[1]
}
