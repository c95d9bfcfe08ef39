/** The rules of fcntl(2) for the ranges of one owner, for whoever keeps count of them on the other side. */
export { changeRanges, type HeldRange, LOCK_END } from '#metadata/lock-ranges.ts'
