/** Where Selvage says what nobody asked for: undeclared tools, a run taken over. `console` is one. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** Warnings and errors on stderr, nothing else. */
export const defaultLogger: Logger = {
  info: () => {},
  warn: (message) => console.warn(`selvage: ${message}`),
  error: (message) => console.error(`selvage: ${message}`),
}
