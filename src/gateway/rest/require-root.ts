import { ROOT } from '#access/principal.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

/** @throws FORBIDDEN for everybody but root, about `what`: the beginning of a sentence in the plural */
export function requireRoot(exchange: Exchange, what = 'Access keys'): void {
  if (exchange.principal === ROOT.name) return
  throw new ShoalError('FORBIDDEN', `${what} are managed by the principal "${ROOT.name}" alone`)
}
