import { once } from 'node:events'
import { encodeName } from '#foundation/name.ts'
import type { Io } from './io.ts'

/** Lines are gathered up to this length, so that a listing of a million entries is not a million system calls. */
const FLUSH_CHARACTERS = 64 * 1024

/** What a command prints: results to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean
  readonly #io: Io
  #pending = ''

  constructor(io: Io, { json }: { json: boolean }) {
    this.#io = io
    this.json = json
  }

  get isTerminal(): boolean {
    return this.#io.stdout.isTTY === true
  }

  /** Prints a line. To be awaited where there are many: the promise is the reader's pace. */
  line(text = ''): Promise<void> | undefined {
    return this.text(`${text}\n`)
  }

  text(text: string): Promise<void> | undefined {
    this.#pending += text
    return this.#pending.length >= FLUSH_CHARACTERS ? this.flush() : undefined
  }

  /** Prints a value as one line of JSON. */
  value(value: unknown): Promise<void> | undefined {
    return this.line(JSON.stringify(value))
  }

  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ''
    if (text !== '') await this.bytes(encodeName(text))
  }

  /** Writes bytes as they are. */
  async bytes(bytes: Uint8Array): Promise<void> {
    if (!this.#io.stdout.write(bytes)) await once(this.#io.stdout, 'drain')
  }

  /** A name for people: on a terminal without what would move its cursor, elsewhere byte for byte. */
  name(name: string): string {
    return this.isTerminal ? visible(name) : name
  }

  note(text: string): void {
    this.#io.stderr.write(`${text}\n`)
  }
}

/** A name with control characters and bytes that are no characters written as `\xNN`. */
export function visible(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/gu, (character) => {
    const code = character.codePointAt(0) as number
    return `\\x${(code >= 0xdc80 ? code - 0xdc00 : code).toString(16).padStart(2, '0')}`
  })
}

/** Rows as aligned columns; `>` right, else left. The last column isn't padded. */
export function columns(rows: readonly (readonly string[])[], alignment: string): string[] {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)))
  return rows.map((row) =>
    row
      .map((cell, index) => {
        if (alignment[index] === '>') return cell.padStart(widths[index] as number)
        return index === row.length - 1 ? cell : cell.padEnd(widths[index] as number)
      })
      .join('  ')
      .trimEnd(),
  )
}
