const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }
const QUANTITY = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/

/** Bytes of a size as a person writes it: `8MiB`, `1.5 GB`, `65536`. Undefined if it's none, or not a whole number of bytes. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS)
}

/** Milliseconds of a duration as a person writes it: `500ms`, `30s`, `7d`. Undefined if it's none; the unit is required. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, DURATION_UNITS)
}

/** The shortest text that `parseSize` reads as `bytes`. */
export function formatSize(bytes: number): string {
  const unit = ['TiB', 'GiB', 'MiB', 'KiB'].find((name) => bytes !== 0 && bytes % (SIZE_UNITS[name] as number) === 0)
  return unit === undefined ? String(bytes) : `${bytes / (SIZE_UNITS[unit] as number)}${unit}`
}

/** The shortest text that `parseDuration` reads as `milliseconds`. */
export function formatDuration(milliseconds: number): string {
  const unit = ['d', 'h', 'm', 's'].find((name) => milliseconds !== 0 && milliseconds % (DURATION_UNITS[name] as number) === 0)
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / (DURATION_UNITS[unit] as number)}${unit}`
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount, unit] = QUANTITY.exec(text.trim()) ?? []
  if (amount === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined
  const value = Number(amount) * (units[unit] as number)
  return Number.isSafeInteger(value) ? value : undefined
}
