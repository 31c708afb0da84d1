import {type Flag, flags} from './flags.ts'

const head = `hearth build [flags] [PATH | URL | -]

Builds a Dockerfile on a builder that has the project's cache attached.
PATH is the context (default: .); a Git or tarball URL, or - for a tar or a Dockerfile on stdin.
`

const environment = `Environment: HEARTH_URL and HEARTH_TOKEN, the Hearth to build on; HEARTH_PROJECT, whose cache to
use; HEARTH_BUILDCTL, the program to use; NO_COLOR.`

/** The help of `hearth build`, made from the flag table; fits 100 columns. */
export const buildHelp = (): string => {
  const rows = Object.entries(flags as Record<string, Flag>).map(([name, flag]) => ({
    left: `${flag.short ? `-${flag.short}, ` : '    '}--${name}${flag.value ? ` ${flag.value}` : ''}`,
    describe: flag.describe,
  }))
  const width = Math.max(...rows.map(({left}) => left.length))
  const lines = rows.map(({left, describe}) => `  ${left.padEnd(width)}  ${describe}`)
  return `${head}\n${lines.join('\n')}\n\n${environment}\n\nExit: 0 built, 1 failed, 2 wrong usage, 3 not your fault (run it again), 130 interrupted.`
}
