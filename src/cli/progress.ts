import type { Clock } from '#platform/clock.ts'
import type { Io } from './io.ts'
import { humanDuration, humanSize, plural } from './units.ts'

/** The bar takes what the text leaves of a line, within these limits. */
const BAR_CHARACTERS_MIN = 6
const BAR_CHARACTERS_MAX = 30
const REDRAW_MS = 100
/** Without a terminal, a line now and then. */
const PLAIN_MS = 10_000
/** The rate is that of about the last so many ms. */
const RATE_WINDOW_MS = 5_000

interface Amount {
  readonly bytes: number
  readonly files: number
}

/** How far something is, on stderr: a bar on a terminal, else an occasional line. */
export class Progress {
  readonly #io: Io
  readonly #clock: Clock
  readonly #quiet: boolean
  readonly #startMs: number
  readonly #samples: { readonly ms: number; readonly bytes: number; readonly files: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #bytes = 0
  #files = 0
  #total: Amount | undefined
  #drawn = false

  constructor({ io, clock, quiet }: { io: Io; clock: Clock; quiet: boolean }) {
    this.#io = io
    this.#clock = clock
    this.#quiet = quiet
    this.#startMs = clock.monotonicMs()
  }

  get isDrawn(): boolean {
    return !this.#quiet && this.#io.stderr.isTTY === true
  }

  start(): void {
    if (this.#quiet) return
    this.#timer = setInterval(() => this.#draw(), this.isDrawn ? REDRAW_MS : PLAIN_MS)
    this.#timer.unref()
  }

  /** What there will be in all, once that is known. */
  expect(total: Amount): void {
    this.#total = total
  }

  advance({ bytes, files }: Amount): void {
    this.#bytes += bytes
    this.#files += files
  }

  /** A line that stays, above the bar. */
  note(text: string): void {
    this.#clear()
    this.#io.stderr.write(`${text}\n`)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#clear()
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }

  /** A terminal that doesn't know its size says 0. */
  get #width(): number {
    return (this.#io.stderr.columns || 80) - 1
  }

  #clear(): void {
    if (this.#drawn) this.#io.stderr.write('\r\x1b[K')
    this.#drawn = false
  }

  #draw(): void {
    const line = this.#describe()
    if (!this.isDrawn) {
      this.#io.stderr.write(`${line}\n`)
      return
    }
    this.#io.stderr.write(`\r${line.slice(0, this.#width)}\x1b[K`)
    this.#drawn = true
  }

  #describe(): string {
    const { bytesPerMs, filesPerMs } = this.#rate()
    const rate = `${humanSize(bytesPerMs * 1000)}/s`
    const total = this.#total
    if (total === undefined) return `${plural(this.#files, 'file')}, ${humanSize(this.#bytes)}, ${rate}`
    // Small files cost by number, large ones by length: both count.
    const share = Math.min(1, (ratio(this.#bytes, total.bytes) + ratio(this.#files, total.files)) / 2)
    const leftMs = Math.max((total.bytes - this.#bytes) / bytesPerMs || 0, (total.files - this.#files) / filesPerMs || 0)
    const left = Number.isFinite(leftMs) ? `${humanDuration(leftMs)} left` : 'time left unknown'
    const done = this.#files.toLocaleString('en-US')
    const counts = total.files === 1 ? '' : `${done}/${plural(total.files, 'file')}, `
    const percent = `${Math.floor(share * 100)}%`.padStart(4)
    const text = `${percent}  ${counts}${humanSize(this.#bytes)} of ${humanSize(total.bytes)}, ${rate}, ${left}`
    return this.isDrawn ? bar(share, this.#width - text.length - 2) + text : text.trimStart()
  }

  #rate(): { bytesPerMs: number; filesPerMs: number } {
    const now = { ms: this.#clock.monotonicMs(), bytes: this.#bytes, files: this.#files }
    this.#samples.push(now)
    while (this.#samples.length > 2 && now.ms - (this.#samples[0]?.ms ?? 0) > RATE_WINDOW_MS) this.#samples.shift()
    const first = this.#samples.length > 1 ? (this.#samples[0] as typeof now) : { ms: this.#startMs, bytes: 0, files: 0 }
    const ms = Math.max(1, now.ms - first.ms)
    return { bytesPerMs: (now.bytes - first.bytes) / ms, filesPerMs: (now.files - first.files) / ms }
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole
}

function bar(share: number, room: number): string {
  if (room < BAR_CHARACTERS_MIN) return ''
  const characters = Math.min(room, BAR_CHARACTERS_MAX)
  const full = Math.round(share * characters)
  return `[${'#'.repeat(full)}${'.'.repeat(characters - full)}]`
}
