import { BLOCK_BYTES, compileMd5, LANES_MAX, SLICE_BYTES, sliceAt, STATE_WORDS, stateAt } from './md5-code.ts'
import type { Md5Code } from './md5-code.ts'

const INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const
const LENGTH_BYTES = 8
const DIGEST_BYTES = 16

interface Piece {
  readonly bytes: Uint8Array
  readonly done: () => void
}

/** MD5 digests of streams that have bytes at the same time, of which up to eight are taken on together. */
export class Md5Lanes {
  readonly #code: Md5Code = compileMd5()
  readonly #words = new Uint32Array(this.#code.memory.buffer)
  readonly #bytes = Buffer.from(this.#code.memory.buffer)
  /** Those with bytes. Who has had a turn is at the end. */
  #waiting: Md5Stream[] = []

  /** How many streams have bytes that aren't digested. */
  get waiting(): number {
    return this.#waiting.length
  }

  open(): Md5Stream {
    return new Md5Stream({
      begin: (stream) => this.#waiting.push(stream),
      last: (stream, blocks) => this.#digest([stream], blocks),
    })
  }

  /** Goes on with what is there by a slice of each stream at most, or by as much as the shortest has. False if there was nothing. */
  turn(): boolean {
    const lanes = this.#waiting.splice(0, LANES_MAX)
    if (lanes.length === 0) return false
    const whole = lanes.filter((stream) => stream.blocks > 0)
    if (whole.length > 0) this.#digest(whole, Math.min(SLICE_BYTES / BLOCK_BYTES, ...whole.map((stream) => stream.blocks)))
    for (const stream of lanes) if (stream.settle()) this.#waiting.push(stream)
    return true
  }

  #digest(streams: readonly Md5Stream[], blocks: number): void {
    const length = blocks * BLOCK_BYTES
    for (const [lane, stream] of streams.entries()) {
      stream.take(this.#bytes.subarray(sliceAt(lane), sliceAt(lane) + length))
      for (let word = 0; word < STATE_WORDS; word += 1) this.#words[stateAt(word, lane) / 4] = stream.state[word] as number
    }
    if (streams.length === 1) this.#code.one(blocks)
    else if (streams.length <= LANES_MAX / 2) this.#code.four(blocks)
    else this.#code.eight(blocks)
    for (const [lane, stream] of streams.entries())
      for (let word = 0; word < STATE_WORDS; word += 1) stream.state[word] = this.#words[stateAt(word, lane) / 4] as number
  }
}

interface StreamEvents {
  /** It has bytes, and had none before. */
  readonly begin: (stream: Md5Stream) => void
  /** Digests its last blocks at once. */
  readonly last: (stream: Md5Stream, blocks: number) => void
}

/** One of the streams: what isn't digested of it yet. */
export class Md5Stream {
  readonly state = Uint32Array.from(INITIAL)
  readonly #events: StreamEvents
  /** Less than a block, from before the pieces. */
  readonly #rest = Buffer.alloc(BLOCK_BYTES)
  #restBytes = 0
  #pieces: Piece[] = []
  /** How much of the first piece was taken. */
  #at = 0
  #totalBytes = 0

  constructor(events: StreamEvents) {
    this.#events = events
  }

  /** `done` is called when `bytes`, which must not change until then, aren't needed any more. */
  update(bytes: Uint8Array, done: () => void): void {
    this.#pieces.push({ bytes, done })
    if (this.#pieces.length === 1) this.#events.begin(this)
  }

  /** Of everything so far, which must be done. */
  digest(): Buffer {
    const lengthBits = BigInt(this.#totalBytes + this.#restBytes) * 8n
    const paddingBytes = BLOCK_BYTES - ((this.#restBytes + LENGTH_BYTES) % BLOCK_BYTES)
    const end = Buffer.alloc(paddingBytes + LENGTH_BYTES)
    end[0] = 0x80
    end.writeBigUInt64LE(lengthBits, paddingBytes)
    this.#pieces = [{ bytes: end, done: () => {} }]
    this.#events.last(this, this.blocks)
    const digest = Buffer.alloc(DIGEST_BYTES)
    for (const [at, word] of this.state.entries()) digest.writeUInt32LE(word, at * 4)
    return digest
  }

  /** Whole blocks up to the end of the first piece. */
  get blocks(): number {
    const first = this.#pieces[0]
    return first === undefined ? 0 : Math.floor((this.#restBytes + first.bytes.length - this.#at) / BLOCK_BYTES)
  }

  /** Fills `target`, which is whole blocks, no more than there are. */
  take(target: Buffer): void {
    const { bytes } = this.#pieces[0] as Piece
    this.#rest.copy(target, 0, 0, this.#restBytes)
    const length = target.length - this.#restBytes
    target.set(bytes.subarray(this.#at, this.#at + length), this.#restBytes)
    this.#at += length
    this.#totalBytes += target.length
    this.#restBytes = 0
  }

  /** Lets the first piece go if there is no block left in it. True if there are more. */
  settle(): boolean {
    if (this.blocks > 0) return true
    const { bytes, done } = this.#pieces.shift() as Piece
    const rest = bytes.subarray(this.#at)
    this.#rest.set(rest, this.#restBytes)
    this.#restBytes += rest.length
    this.#at = 0
    const isOver = this.#pieces.length === 0
    done()
    return !isOver
  }
}
