/** Keeps all processors of this machine from going to sleep when they have nothing to do, until the function is called that it gives, once,
 *  or the process ends. `undefined` where that can't be had, or isn't worth it, now or later. */
export type KeepAwake = () => (() => void) | undefined
