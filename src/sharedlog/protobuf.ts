// As much of protocol buffers as etcd's messages need: https://protobuf.dev/programming-guides/encoding/

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** Puts a message together, field by field. */
export class ProtobufWriter {
  readonly #pieces: Uint8Array[] = []
  #bytes = 0

  /** An int64, uint64, enum or bool. */
  number(field: number, value: number | bigint): this {
    this.#varint((field << 3) | VARINT)
    this.#varint(value)
    return this
  }

  /** Nothing at all if there is no value: to etcd the end of a range that is there and empty means something else. */
  bytes(field: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this
    this.#varint((field << 3) | BYTES)
    this.#varint(value.length)
    this.#add(value)
    return this
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value))
  }

  message(field: number, value: ProtobufWriter): this {
    this.#varint((field << 3) | BYTES)
    this.#varint(value.#bytes)
    for (const piece of value.#pieces) this.#add(piece)
    return this
  }

  finish(): Buffer {
    return Buffer.concat(this.#pieces, this.#bytes)
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
  }

  #varint(value: number | bigint): void {
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    this.#add(Uint8Array.from(bytes))
  }
}

/** A message, taken apart. Fields that it doesn't have are zero or empty, as the format has it. */
export class ProtobufMessage {
  readonly #numbers = new Map<number, bigint>()
  readonly #bytes = new Map<number, Buffer[]>()

  /** What comes out are parts of `source`. @throws RangeError for what is no message */
  constructor(source: Buffer) {
    let at = 0
    const varint = (): bigint => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = source.readUInt8(at)
        at += 1
        value |= BigInt(byte & 0x7f) << shift
        if (byte < 0x80) return value
      }
    }
    while (at < source.length) {
      const tag = Number(varint())
      const field = tag >>> 3
      const kind = tag & 7
      if (kind === VARINT) this.#numbers.set(field, BigInt.asIntN(64, varint()))
      else if (kind === BYTES) {
        const end = Number(varint()) + at
        if (end > source.length) throw new RangeError('A message of etcd was cut off')
        this.#bytes.set(field, [...(this.#bytes.get(field) ?? []), source.subarray(at, end)])
        at = end
      } else if (kind === FIXED64) at += 8
      else if (kind === FIXED32) at += 4
      else throw new RangeError(`A message of etcd has a field of kind ${kind}`)
    }
  }

  number(field: number): number {
    return Number(this.#numbers.get(field) ?? 0n)
  }

  long(field: number): bigint {
    return this.#numbers.get(field) ?? 0n
  }

  bytes(field: number): Buffer {
    return this.#bytes.get(field)?.at(-1) ?? Buffer.alloc(0)
  }

  /** A field that may be there several times. */
  messages(field: number): ProtobufMessage[] {
    return (this.#bytes.get(field) ?? []).map((part) => new ProtobufMessage(part))
  }
}
