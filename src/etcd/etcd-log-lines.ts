import type { Log, LogFields } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

/** What etcd says while members come and go is below it; a member that can't reach another one says more. */
const LINES_MAX = 100
const WINDOW_MS = 10_000
const TEXT_MAX = 500
/** Of the fields of a line, those that say why and whom. Keys, values and addresses of callers stay out of our log. */
const FIELDS = ['error', 'took', 'expected-duration', 'remote-peer-id', 'local-member-id', 'leader', 'path', 'status', 'address']
/** What it warns of in normal operation: while members come, and of each connection that they make. Whoever can't be reached is told of by
 *  others of its lines, and by ours. */
const ORDINARY: ReadonlySet<unknown> = new Set([
  'simple token is not cryptographically signed',
  'established TCP streaming connection with remote peer',
  'rejecting member add request; local member has not been connected to all peers, reconfigure breaks active quorum',
  'failed to reach the peer URL',
  'failed to get version',
])
/** Why it refuses what all members are asked to do, and the first has done: to forget old revisions, once a minute. */
const ORDINARY_REASONS: ReadonlySet<unknown> = new Set(['mvcc: required revision has been compacted'])
const GRPC = /^(INFO|WARNING): .* grpc: /
const LEVELS = {
  debug: 'debug',
  info: 'debug',
  warn: 'warn',
  error: 'error',
  dpanic: 'error',
  panic: 'error',
  fatal: 'error',
} as const

/** Hands etcd's own log on to ours: what it calls information is our debugging, as is what it warns of while nothing is wrong. Of a flood, so many lines a window. */
export class EtcdLogLines {
  readonly #log: Log
  readonly #clock: Clock
  #windowFromMs = Number.NEGATIVE_INFINITY
  #lines = 0

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  take(line: string): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#windowFromMs >= WINDOW_MS) {
      this.#tellLeftOut()
      this.#windowFromMs = nowMs
      this.#lines = 0
    }
    this.#lines += 1
    if (this.#lines > LINES_MAX) return
    const { level, fields } = readLine(line)
    this.#log[level]('etcd says', fields)
  }

  /** When no line will come any more. */
  end(): void {
    this.#tellLeftOut()
    this.#lines = 0
  }

  #tellLeftOut(): void {
    if (this.#lines > LINES_MAX) this.#log.warn('etcd said more than is logged', { leftOut: this.#lines - LINES_MAX })
  }
}

function readLine(line: string): { readonly level: 'debug' | 'warn' | 'error'; readonly fields: LogFields } {
  const said = parseObject(line)
  // The library for its calls has lines of its own: of connections that end, when etcd stops.
  if (said === undefined && GRPC.test(line)) return { level: 'debug', fields: { said: line.slice(0, TEXT_MAX) } }
  // What else isn't in its form comes from Go itself, which is about to end it.
  if (said === undefined) return { level: 'error', fields: { said: line.slice(0, TEXT_MAX) } }
  const isOrdinary = ORDINARY.has(said.msg) || ORDINARY_REASONS.has(said.error)
  const level = isOrdinary ? 'debug' : (LEVELS[said.level as keyof typeof LEVELS] ?? 'warn')
  const fields: Record<string, unknown> = { said: String(said.msg).slice(0, TEXT_MAX) }
  for (const name of FIELDS) if (name in said) fields[name] = String(said[name]).slice(0, TEXT_MAX)
  return { level, fields }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
