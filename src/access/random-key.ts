import type { Random } from '#platform/random.ts'
import type { Credentials } from './principal.ts'

const ACCESS_KEY_LENGTH = 20
const SECRET_KEY_LENGTH = 40
// Without 0, O, 1 and I, which people mistake when they copy a key by hand: 32 characters, 5 bits each.
const ACCESS_KEY_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
// 64 characters, 6 bits each: 240 bits.
const SECRET_KEY_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** A new key pair. */
export function randomKey(random: Random): Credentials {
  return { accessKey: randomText(random, ACCESS_KEY_LETTERS, ACCESS_KEY_LENGTH), secretKey: randomSecret(random) }
}

export function randomSecret(random: Random): string {
  return randomText(random, SECRET_KEY_LETTERS, SECRET_KEY_LENGTH)
}

/** Each letter with equal chance: the alphabets have a power of two of them, so that a byte's lower bits choose. */
function randomText(random: Random, letters: string, length: number): string {
  return Array.from(random.bytes(length), (byte) => letters[byte % letters.length]).join('')
}
