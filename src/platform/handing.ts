/** Handing files over to a node of this machine, which then reads them itself: a second name of the same file in a folder of the node's.
 *  What is handed over can be used and removed as before. Calls return at once. */
export interface Handing {
  /** Whether a node of that cluster keeps `folder` for it, on this machine, and nobody else gets into it. What somebody else says of where
   *  to put a file is believed only then. */
  isTakenAt(folder: string, clusterId: string): boolean
  /** False if it can't be: the folder is gone, lies on another medium, or is not for this user. */
  give(path: string, target: { readonly folder: string; readonly name: string }): boolean
  /** Removes the name, if it is still there. */
  takeBack(target: { readonly folder: string; readonly name: string }): void
}
