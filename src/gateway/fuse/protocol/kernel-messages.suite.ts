// Messages as the kernel makes them, for tests. Only tests import it.
import { FEATURES, OPCODES, type OpcodeName } from './opcodes.ts'

/** A field: its offset from the message's start, its width in bytes, its value. */
export type Field = readonly [at: number, width: 2 | 4 | 8, value: number | bigint]

export interface KernelMessage {
  readonly opcode: OpcodeName | number
  readonly unique?: bigint
  readonly nodeId?: number
  readonly uid?: number
  readonly gid?: number
  readonly pid?: number
  readonly fields?: readonly Field[]
  /** Where the fixed fields end. */
  readonly fixedEnd?: number
  /** What follows them: each with a NUL behind it. */
  readonly names?: readonly (string | Buffer)[]
  readonly data?: Uint8Array
  /** Bytes of extensions, a multiple of 8. */
  readonly extensionBytes?: number
}

export function kernelMessage(parts: KernelMessage): Buffer {
  const names = (parts.names ?? []).flatMap((name) => [Buffer.from(name as string), Buffer.of(0)])
  const tail = Buffer.concat([...names, parts.data ?? Buffer.alloc(0), Buffer.alloc(parts.extensionBytes ?? 0, 0xee)])
  const fixedEnd = parts.fixedEnd ?? 40
  const message = Buffer.concat([Buffer.alloc(fixedEnd), tail])
  const header: readonly Field[] = [
    [0, 4, message.length],
    [4, 4, typeof parts.opcode === 'number' ? parts.opcode : OPCODES[parts.opcode]],
    [8, 8, parts.unique ?? 2n],
    [16, 8, parts.nodeId ?? 1],
    [24, 4, parts.uid ?? 0],
    [28, 4, parts.gid ?? 0],
    [32, 4, parts.pid ?? 0],
    [36, 2, (parts.extensionBytes ?? 0) / 8],
  ]
  for (const [at, width, value] of [...header, ...(parts.fields ?? [])]) {
    if (width === 8) message.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at)
    else message.writeUIntLE(Number(value), at, width)
  }
  return message
}

/** INIT as Linux 6.18 sends it. */
export function initMessage({ major = 7, minor = 45, flags = 0x73ff_fffb, flags2 = 0x5fd } = {}): Buffer {
  return kernelMessage({
    opcode: 'INIT',
    nodeId: 0,
    fixedEnd: 104,
    fields: [
      [40, 4, major],
      [44, 4, minor],
      [48, 4, 131_072],
      [52, 4, flags],
      [56, 4, flags2],
    ],
  })
}

/** INIT's flags with one of them missing. */
export function flagsWithout(feature: keyof typeof FEATURES): number {
  return (0x73ff_fffb & ~(1 << FEATURES[feature])) >>> 0
}
