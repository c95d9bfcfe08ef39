import { usageError } from './usage-error.ts'

/** Permissions as REST has them. `what` is named in messages. @throws a usage error */
export function parseMode(text: string, what: string): string {
  if (!/^[0-7]{3,4}$/.test(text)) throw usageError(`${what} is "${text}": an octal mode such as 0750 is expected`)
  return text.padStart(4, '0')
}
