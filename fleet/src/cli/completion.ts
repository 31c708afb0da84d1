import {flags as buildFlags, type Flag} from './build/flags.ts'
import {type VerbContext, verb} from './verb.ts'

// The scripts know nothing: at each Tab they ask `hearth __complete WORDS…` for one candidate a line. Where it has none, the
// shell completes file names.

const scripts = {
  bash: `_hearth() {
  local IFS=$'\\n'
  COMPREPLY=($(hearth __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _hearth hearth`,
  zsh: `#compdef hearth
_hearth() {
  local -a candidates
  candidates=("\${(@f)$(hearth __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$candidates" ]]; then compadd -a candidates; else _files; fi
}
compdef _hearth hearth`,
  fish: `function __hearth_complete
  set -l words (commandline -opc) (commandline -ct)
  hearth __complete $words[2..-1] 2>/dev/null
end
complete -c hearth -a '(__hearth_complete)'`,
} as const

export const completionCommand = (context: VerbContext) =>
  verb({
    command: 'completion <shell>',
    describe: 'Print the completion script of bash, zsh or fish',
    builder: (args) =>
      args.positional('shell', {choices: ['bash', 'zsh', 'fish'] as const, demandOption: true, describe: 'your shell'}),
    handler: ({shell}) => context.print.line(scripts[shell]),
  })

/** Candidates for the last of the words after `hearth build`; none where a path belongs. */
export const completeBuild = (words: readonly string[]): readonly string[] => {
  const current = words.at(-1) ?? ''
  const before: Flag | undefined = Object.entries(buildFlags as Record<string, Flag>).find(
    ([name, {type, short}]) => type === 'string' && (words.at(-2) === `--${name}` || words.at(-2) === `-${short}`),
  )?.[1]
  const candidates = before ? (before.words ?? []) : Object.keys(buildFlags).map((name) => `--${name}`)
  if (!before && !current.startsWith('-')) return []
  return candidates.filter((candidate) => candidate.startsWith(current))
}
