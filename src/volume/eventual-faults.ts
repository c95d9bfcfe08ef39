import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'

export function notFound(path: Path): ShoalError {
  return new ShoalError('NOT_FOUND', `There is no "/${formatPath(path)}" on this node`)
}

export function isADirectory(path: Path): ShoalError {
  return new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is a directory`)
}

export function alreadyThere(path: Path): ShoalError {
  return new ShoalError('ALREADY_EXISTS', `There is "/${formatPath(path)}" already`)
}

export function unsupported(what: string): ShoalError {
  return new ShoalError('UNSUPPORTED', `${what}: an eventual volume has no such thing`)
}

export function rootStays(): ShoalError {
  return new ShoalError('NOT_PERMITTED', "The root directory itself can't be replaced, moved or removed")
}
