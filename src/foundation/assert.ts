/** A broken invariant: a defect in Shoal itself, never the caller's mistake. The process stops rather than go on from a
 *  state nobody has thought about. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
