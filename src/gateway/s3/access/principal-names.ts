import { ANONYMOUS, ROOT } from '#access/principal.ts'
import { ownerId } from '../owner.ts'

/** Whom access control lists can name. */
export class PrincipalNames {
  readonly #list: () => Iterable<string>

  /** `list` gives the principals that have keys, each once or more often. */
  constructor(list: () => Iterable<string>) {
    this.#list = list
  }

  /** Whose canonical id it is. */
  nameOf(id: string): string | undefined {
    if (!/^[0-9a-f]{64}$/.test(id)) return undefined
    for (const name of [ROOT.name, ANONYMOUS.name]) if (ownerId(name) === id) return name
    for (const name of this.#list()) if (ownerId(name) === id) return name
    return undefined
  }

  idOf(name: string): string | undefined {
    if (name === ROOT.name) return ownerId(name)
    for (const known of this.#list()) if (known === name) return ownerId(name)
    return undefined
  }
}
