/** Addresses as numbers; those of IPv4 as IPv6 maps them (RFC 4291, section 2.5.5.2), so that `::ffff:10.0.0.1` is 10.0.0.1. */
const MAPPED = 0xffff_0000_0000n

/** A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address. */
export interface IpRange {
  readonly first: bigint
  /** Of 128 bits, how many are given. */
  readonly prefixBits: number
  readonly isIpv4: boolean
}

export function parseIpRange(text: string): IpRange | undefined {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const first = parseIp(address)
  if (first === undefined) return undefined
  const isIpv4 = !address.includes(':')
  const length = bits === undefined ? (isIpv4 ? 32 : 128) : Number(bits)
  if (length > (isIpv4 ? 32 : 128)) return undefined
  return { first, prefixBits: isIpv4 ? length + 96 : length, isIpv4 }
}

export function parseIp(text: string): bigint | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text)
    return value === undefined ? undefined : MAPPED + value
  }
  const zone = text.indexOf('%')
  return parseIpv6(zone === -1 ? text : text.slice(0, zone))
}

export function isInRange(address: bigint, { first, prefixBits }: IpRange): boolean {
  const shift = BigInt(128 - prefixBits)
  return address >> shift === first >> shift
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256n + BigInt(part)
  }
  return value
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [before, after] = halves.map((half, at) => groupsOf(half, at === halves.length - 1))
  if (before === undefined || (halves.length === 2 && after === undefined)) return undefined
  const missing = 8 - before.length - (after?.length ?? 0)
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...before, ...Array.from({ length: missing }, () => 0n), ...(after ?? [])]
  return groups.reduce((value, group) => (value << 16n) + group, 0n)
}

/** The last four bytes of an address may be written as IPv4 writes them. */
function groupsOf(text: string, isEnd: boolean): bigint[] | undefined {
  if (text === '') return []
  const groups: bigint[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (isEnd && part.includes('.') && at === parts.length - 1) {
      const value = parseIpv4(part)
      if (value === undefined) return undefined
      groups.push(value >> 16n, value & 0xffffn)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`))
    else return undefined
  }
  return groups
}
