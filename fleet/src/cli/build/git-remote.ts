import {readFileSync, statSync} from 'node:fs'
import {dirname, join, resolve} from 'node:path'

/** `owner/name` of the repository that holds this directory, by its `origin` (or only) remote; null where there is none. */
export const gitOwnerAndName = (directory: string): string | null => {
  const url = remoteUrl(directory)
  return url === null ? null : ownerAndName(url)
}

/** Reads `git@host:owner/name.git` and URLs. Null for a path on this machine: it names no owner. */
export const ownerAndName = (url: string): string | null => {
  const path = /^[\w.-]+@[\w.-]+:(?!\/\/)(.+)$/.exec(url)?.[1] ?? /^(?:https?|ssh|git):\/\/[^/]+\/(.+)$/i.exec(url)?.[1]
  const parts = (path ?? '')
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .split('/')
    .filter((part) => part !== '')
  return parts.length < 2 ? null : parts.slice(-2).join('/')
}

const remoteUrl = (directory: string): string | null => {
  const git = gitDirectory(directory)
  const config = git === null ? null : readText(join(git, 'config'))
  if (config === null) return null
  const remotes = [...config.matchAll(/^\s*\[remote "(.+)"\]\s*$([^[]*)/gm)].map(([, name, body]) => ({
    name,
    url: /^\s*url\s*=\s*(.+?)\s*$/m.exec(body as string)?.[1] ?? null,
  }))
  return (remotes.find(({name}) => name === 'origin') ?? (remotes.length === 1 ? remotes[0] : undefined))?.url ?? null
}

/** Where the configuration is: `.git`, or what the `.git` file of a worktree or submodule points to. */
const gitDirectory = (directory: string): string | null => {
  const git = join(directory, '.git')
  const found = statSync(git, {throwIfNoEntry: false})
  if (found?.isDirectory()) return git
  if (!found) return dirname(directory) === directory ? null : gitDirectory(dirname(directory))
  const target = /^gitdir: (.+)$/m.exec(readText(git) ?? '')?.[1]
  if (!target) return null
  const own = resolve(directory, target.trim())
  const common = readText(join(own, 'commondir'))
  return common === null ? own : resolve(own, common.trim())
}

const readText = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // not a repository that we can read: the next way of naming the project is taken
  }
}
