const BINARY_UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** `1.5K`, `20M`: as `ls -h` writes sizes. */
export function shortSize(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  if (unit === 0) return String(Math.round(bytes))
  const rounded = value < 10 ? Math.ceil(value * 10) / 10 : Math.ceil(value)
  // What rounds up to 1024 belongs to the next unit.
  if (rounded >= 1024 && unit < BINARY_UNITS.length - 1) return `1.0${BINARY_UNITS[unit + 1]}`
  return `${rounded < 10 ? rounded.toFixed(1) : rounded}${BINARY_UNITS[unit]}`
}

/** `1.5 KiB`, `20 MiB`: in a sentence. */
export function humanSize(bytes: number): string {
  const text = shortSize(bytes)
  const unit = /[A-Z]$/.exec(text)?.[0]
  return unit === undefined ? `${text} B` : `${text.slice(0, -1)} ${unit}iB`
}

/** `3 s`, `2 min 05 s`, `1 h 02 min`, `3 d 4 h`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${pad(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** `rwxr-xr-x` with the type's letter before it, from an octal mode. */
export function modeText(type: string, mode: string): string {
  const bits = Number.parseInt(mode, 8)
  const letters = [...'rwxrwxrwx'].map((letter, index) => ((bits >> (8 - index)) & 1 ? letter : '-'))
  if (bits & 0o4000) letters[2] = letters[2] === 'x' ? 's' : 'S'
  if (bits & 0o2000) letters[5] = letters[5] === 'x' ? 's' : 'S'
  if (bits & 0o1000) letters[8] = letters[8] === 'x' ? 't' : 'T'
  return (TYPE_LETTERS[type] ?? '?') + letters.join('')
}

const TYPE_LETTERS: Readonly<Record<string, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  'character-device': 'c',
  'block-device': 'b',
}

/** `2026-11-20 12:00`, UTC, of an RFC 3339 time. */
export function shortTime(timestamp: string): string {
  return timestamp.slice(0, 16).replace('T', ' ')
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
