import { timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { identityFolder } from './identity-file.ts'

/** A token as the node that made it keeps it: nothing that the token could be made of again. */
export interface KeptToken {
  /** 16 lower-case hexadecimal characters. */
  readonly id: string
  readonly verifier: Buffer
  readonly expiresMs: number
  /** How many nodes may join with it. */
  readonly usesMax: number
  /** Those that did. One that lost the answer may ask again. */
  readonly usedBy: readonly NodeId[]
}

const TOKENS_MAX = 100
const FILE = 'tokens.json'

/** The join tokens that this node made and that can still be used. Every change is durable before it counts. */
export class TokenList {
  readonly #path: string
  readonly #folder: string
  readonly #files: Files
  readonly #clock: Clock
  #tokens: readonly KeptToken[]
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(dataPath: string, tokens: readonly KeptToken[], ports: { readonly files: Files; readonly clock: Clock }) {
    this.#folder = identityFolder(dataPath)
    this.#path = join(this.#folder, FILE)
    this.#files = ports.files
    this.#clock = ports.clock
    this.#tokens = tokens
  }

  /** @throws DATA_FORMAT for a damaged list; STORAGE_FAILED */
  static async open(dataPath: string, ports: { readonly files: Files; readonly clock: Clock }): Promise<TokenList> {
    const path = join(identityFolder(dataPath), FILE)
    const bytes = await ports.files.read(path).catch((cause: unknown) => {
      throw storageError(cause, `read "${path}"`)
    })
    const tokens = bytes === undefined ? [] : decodeTokens(bytes)
    if (tokens === undefined)
      throw new ShoalError('DATA_FORMAT', `"${path}" is damaged. Remove it: the join tokens that were made before are void then`)
    return new TokenList(dataPath, tokens, ports)
  }

  /** @throws BUSY if there are 100 already; NO_SPACE, STORAGE_FAILED */
  add(token: KeptToken): Promise<void> {
    return this.#inTurn(async () => {
      const valid = this.#tokens.filter((each) => each.expiresMs > this.#clock.nowMs() && each.usedBy.length < each.usesMax)
      if (valid.length >= TOKENS_MAX)
        throw new ShoalError(
          'BUSY',
          `There are ${TOKENS_MAX} join tokens that nobody has used yet: use them, or wait until some have run out`,
        )
      await this.#keep([...valid, token])
    })
  }

  /** `undefined` if there is none by that id. In constant time for the ids that there are. */
  find(id: string): KeptToken | undefined {
    const wanted = Buffer.alloc(16)
    wanted.write(id.slice(0, 16), 'latin1')
    let found: KeptToken | undefined
    for (const token of this.#tokens) if (timingSafeEqual(Buffer.from(token.id, 'latin1'), wanted)) found = token
    return found
  }

  /** Notes that `node` joins with it. @throws UNAUTHENTICATED if it has run out, or others have used it up; NO_SPACE, STORAGE_FAILED */
  use(id: string, node: NodeId): Promise<void> {
    return this.#inTurn(async () => {
      const token = this.find(id)
      if (token === undefined || token.expiresMs <= this.#clock.nowMs())
        throw new ShoalError('UNAUTHENTICATED', 'The join token has run out: make another one with "shoal cluster token"')
      if (token.usedBy.includes(node)) return
      if (token.usedBy.length >= token.usesMax)
        throw new ShoalError(
          'UNAUTHENTICATED',
          'The join token has been used already: make another one with "shoal cluster token"',
        )
      const used = { ...token, usedBy: [...token.usedBy, node] }
      await this.#keep(this.#tokens.map((each) => (each.id === id ? used : each)))
    })
  }

  async #keep(tokens: readonly KeptToken[]): Promise<void> {
    const value = tokens.map((token) => ({ ...token, verifier: token.verifier.toString('base64') }))
    const text = `${JSON.stringify({ format: 1, tokens: value }, undefined, 2)}\n`
    try {
      await this.#files.makeFolder(this.#folder, 0o700)
      await this.#files.publish(this.#path, [Buffer.from(text)], { mode: 0o600 })
    } catch (cause) {
      throw storageError(cause, `keep the join tokens in "${this.#path}"`)
    }
    this.#tokens = tokens
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

function decodeTokens(bytes: Buffer): KeptToken[] | undefined {
  try {
    const { format, tokens } = JSON.parse(bytes.toString('utf8')) as { format?: unknown; tokens?: unknown }
    if (format !== 1 || !Array.isArray(tokens)) return undefined
    const decoded = tokens.map(decodeToken)
    return decoded.includes(undefined) ? undefined : (decoded as KeptToken[])
  } catch {
    return undefined
  }
}

function decodeToken(value: unknown): KeptToken | undefined {
  const { id, verifier, expiresMs, usesMax, usedBy } = value as Partial<Record<keyof KeptToken, unknown>>
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id) || typeof verifier !== 'string') return undefined
  if (!Number.isSafeInteger(expiresMs) || !Number.isSafeInteger(usesMax) || !Array.isArray(usedBy)) return undefined
  return {
    id,
    verifier: Buffer.from(verifier, 'base64'),
    expiresMs: expiresMs as number,
    usesMax: usesMax as number,
    usedBy: usedBy.map(String) as NodeId[],
  }
}
