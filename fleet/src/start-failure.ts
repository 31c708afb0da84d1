import {ConfigError} from '@hearth/proto/config-file'
import {AuthorityFileError} from './auth/authority.ts'
import type {Listen} from './config.ts'
import {StoreLockedError, StoreVersionError} from './store/store.ts'

/** Why a fleet can't start and what to do about it, for people; null for what nobody foresaw. */
export const startFailure = (error: unknown, {listen, stateDir}: {listen: Listen; stateDir: string}): string | null => {
  if (!(error instanceof Error)) return null
  if (error instanceof ConfigError || error instanceof AuthorityFileError) return error.message
  if (error instanceof StoreVersionError) return error.message
  if (error instanceof StoreLockedError) {
    return `the state directory ${stateDir} is in use by a running Hearth: see hearth status, end it with hearth down, or use another with --state-dir`
  }
  if (isDiskFull(error)) return `the disk that holds ${stateDir} is full: free some space there; nothing was lost`
  const {code = '', syscall = ''} = error as NodeJS.ErrnoException
  return syscall === 'listen' || syscall === 'getaddrinfo'
    ? portFailure(code, listen)
    : stateFailure(error, code, stateDir)
}

const portFailure = (code: string, {host, port}: Listen): string | null => {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const failures: Record<string, string> = {
    EADDRINUSE: `${address} is in use by another program (ss -ltnp 'sport = :${port}' says which): end it, or use another with --listen`,
    EACCES: `only root may listen on port ${port}: use one above 1023 with --listen`,
    EADDRNOTAVAIL: `this machine has no address ${host}: use one of its own with --listen (ip -brief address lists them)`,
    ENOTFOUND: `there is no address for '${host}': use one of this machine's own with --listen`,
  }
  return failures[code] ?? null
}

const stateFailure = (error: Error, code: string, stateDir: string): string | null => {
  // mkdir of a path with missing parents says ENOENT on a read-only file system
  const noMkdir = code === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'mkdir'
  const unwritable = noMkdir || ['EACCES', 'EPERM', 'EROFS'].includes(code) || [8, 14].includes(sqliteCode(error))
  if (unwritable)
    return `can't write to the state directory ${stateDir} (${error.message}): run as root, or use another with --state-dir`
  if (['ENOTDIR', 'EEXIST'].includes(code)) return `${stateDir} is not a directory: use another with --state-dir`
  if ([11, 26].includes(sqliteCode(error))) {
    return `the store in ${stateDir} is damaged (${error.message}): bring it back from a backup, or use another with --state-dir`
  }
  return null
}

/** Also during operation: SQLite's SQLITE_FULL, or the file system's own word. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error &&
  (['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '') || sqliteCode(error) === 13)

/** The primary result code, https://sqlite.org/rescode.html; 0 if the error is not SQLite's. */
const sqliteCode = (error: Error): number => ('errcode' in error ? Number(error.errcode) % 256 : 0)
