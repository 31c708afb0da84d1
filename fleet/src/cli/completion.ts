import type {Build, Host, Project, Token} from '@hearth/proto/api'
import {flags as buildFlags, type Flag} from './build/flags.ts'
import {type Completion, completeWords, type Declared} from './command-tree.ts'
import {type Source, type VerbContext, verb} from './verb.ts'

// The scripts know nothing: at each Tab they ask `hearth __complete WORDS…` for one candidate a line. It ends with 1 where a file's
// name fits. Bash splits `--flag=value` into three words, and replaces the last one only.

const scripts = {
  bash: `_hearth() {
  local found IFS=$'\\n'
  found=$(hearth __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || compopt -o bashdefault -o default
  COMPREPLY=($found)
}
complete -F _hearth hearth`,
  zsh: `#compdef hearth
_hearth() {
  local found
  local -a candidates
  if found=$(hearth __complete "\${(@)words[2,CURRENT]}" 2>/dev/null); then
    candidates=("\${(@f)found}")
    [[ -n "$found" ]] && compadd -a candidates
  else
    _files
  fi
}
compdef _hearth hearth`,
  fish: `function __hearth_complete
  set -l words (commandline -opc) (commandline -ct)
  hearth __complete $words[2..-1] 2>/dev/null
  or __fish_complete_path (commandline -ct)
end
complete -c hearth -f -a '(__hearth_complete)'`,
} as const

const howTo = {
  bash: '# in ~/.bashrc: source <(hearth completion bash)',
  zsh: '# in ~/.zshrc, after compinit: source <(hearth completion zsh)',
  fish: '# in ~/.config/fish/config.fish: hearth completion fish | source',
} as const

export const completionCommand = (context: VerbContext) =>
  verb({
    command: 'completion <shell>',
    describe: 'Print the completion script of bash, zsh or fish',
    builder: (args) =>
      args.positional('shell', {
        choices: ['bash', 'zsh', 'fish'] as const,
        demandOption: true,
        describe: 'bash, zsh or fish; the script says where it belongs',
      }),
    handler: ({shell}) => context.print.line(`${howTo[shell]}\n${scripts[shell]}`),
  })

const filesFit = 1
const noFiles = 0

/** Prints the candidates for the last of the words. Returns 1 where a file's name fits. A fleet that does not answer has none. */
export const complete = async (typed: readonly string[], top: Declared, context: VerbContext): Promise<number> => {
  const {words, bare} = joinSplit(typed)
  const isBuild = words[0] === 'build' && words.length > 1
  const {words: fixed, source} = isBuild ? completeBuild(words.slice(1)) : completeWords(words, top)
  const current = words.at(-1) ?? ''
  const prefix = current.startsWith('-') && current.includes('=') ? current.slice(0, current.indexOf('=') + 1) : ''
  const known = source ? (await candidatesOf(source, context)).map((each) => `${prefix}${each}`) : []
  const found = [...fixed, ...known.filter((candidate) => candidate.startsWith(current))]
  const shown = bare ? found.map((candidate) => candidate.slice(prefix.length)) : found
  if (shown.length > 0) context.print.line(shown.join('\n'))
  return source === 'files' ? filesFit : noFiles
}

/** `--progress`, `=`, `pl` as bash gives them are one word; then only the value is asked for. */
const joinSplit = (typed: readonly string[]): {readonly words: readonly string[]; readonly bare: boolean} => {
  const words: string[] = []
  let bare = false
  for (const [index, word] of typed.entries()) {
    const joins = index > 0 && (word === '=' || typed[index - 1] === '=') && words.at(-1)?.startsWith('--') === true
    if (joins) words.push(`${words.pop()}${word}`)
    else words.push(word)
    bare = joins
  }
  return {words, bare}
}

const candidatesOf = async (source: Source, {fleet}: VerbContext): Promise<readonly string[]> => {
  const ask = <T>(path: string) => fleet().json<readonly T[]>('GET', path, undefined, AbortSignal.timeout(1000))
  try {
    switch (source) {
      case 'files':
        return []
      case 'builds':
        return (await ask<Build>('/v1/builds?limit=100')).map(({id}) => id)
      case 'runningBuilds':
        return (await ask<Build>('/v1/builds?limit=100'))
          .filter(({state}) => state === 'running' || state === 'queued')
          .map(({id}) => id)
      case 'hosts':
        return (await ask<Host>('/v1/hosts')).map(({name}) => name)
      case 'projects':
        return (await ask<Project>('/v1/projects')).map(({name}) => name)
      case 'tokens':
        return (await ask<Token>('/v1/tokens')).filter(({revoked}) => !revoked).map(({id}) => id)
    }
  } catch {
    return [] // no Hearth, or not ours to ask: a Tab is no place for complaints
  }
}

/** What the last of the words after `hearth build` may become; nothing where a path belongs. */
export const completeBuild = (words: readonly string[]): Completion => {
  const current = words.at(-1) ?? ''
  const [whole, inline] = /^--([^=]+)=/.exec(current) ?? []
  const flags = Object.entries(buildFlags as Record<string, Flag>)
  const before = flags.find(
    ([name, {type, short}]) =>
      type === 'string' && (inline === name || words.at(-2) === `--${name}` || words.at(-2) === `-${short}`),
  )
  const candidates = before
    ? (before[1].words ?? []).map((word) => `${whole ?? ''}${word}`)
    : current.startsWith('-')
      ? flags.map(([name]) => `--${name}`)
      : []
  return {words: candidates.filter((candidate) => candidate.startsWith(current)), source: sourceOf(before, current)}
}

const sourceOf = (before: readonly [string, Flag] | undefined, current: string): Source | null => {
  if (!before) return current.startsWith('-') ? null : 'files'
  const [name, {path, words}] = before
  if (name === 'project') return 'projects'
  return path && !words ? 'files' : null
}
