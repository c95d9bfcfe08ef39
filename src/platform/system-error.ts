/** An error like those of the system, for file systems that only imitate it. */
export function systemError(code: string, doing: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${doing}`)
  error.code = code
  return error
}
