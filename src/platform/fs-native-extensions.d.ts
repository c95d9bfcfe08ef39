declare module 'fs-native-extensions' {
  /** Takes an exclusive lock that belongs to the open file description (fcntl F_OFD_SETLK); false if it is taken. */
  export function tryLock(fd: number): boolean
}
