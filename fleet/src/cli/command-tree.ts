import {nearest} from '@hearth/proto/nearest'
import type {Argv, Options, PositionalOptions} from 'yargs'
import {UsageError} from './failures.ts'
import type {Command, Hints, Source} from './verb.ts'

/** What a command's builder declares. */
export type Declared = {
  readonly commands: readonly Command[]
  readonly options: Readonly<Record<string, Options & Hints>>
  readonly positionals: Readonly<Record<string, PositionalOptions & Hints>>
}

/** Runs a builder on something that only takes notes, so that completion and complaints know what yargs will know. */
export const declaredBy = ({builder}: Command): Declared => {
  const declared = {
    commands: [] as Command[],
    options: {} as Record<string, Options & Hints>,
    positionals: {} as Record<string, PositionalOptions & Hints>,
  }
  const notes = {
    command: (module: Command) => {
      declared.commands.push(module)
      return notes
    },
    option: (name: string, option: Options) => {
      declared.options[name] = option
      return notes
    },
    positional: (name: string, option: PositionalOptions) => {
      declared.positionals[name] = option
      return notes
    },
  }
  if (typeof builder === 'function') void builder(notes as unknown as Argv<object>)
  return declared
}

export const nameOf = ({command}: Command): string => String(command).split(' ')[0] as string
/** The words that a command needs after its name; all are required. */
export const positionalsOf = ({command}: Command): readonly string[] => String(command).match(/(?<=<)[^>]+(?=>)/g) ?? []

type Place = {
  /** The words that led here: `hosts`, `drain`. */
  readonly path: readonly string[]
  readonly command: Command | null
  readonly declared: Declared
  /** Words that are no command: positionals of this one. */
  readonly rest: readonly string[]
  /** The option whose value would come next. */
  readonly open: (Options & Hints) | null
}

const always: Readonly<Record<string, Options & Hints>> = {help: {type: 'boolean', alias: 'h'}}

const optionOf = (word: string, {options}: Declared): (Options & Hints) | null => {
  const name = word.replace(/^--?/, '').split('=')[0] as string
  const known = {...always, ...options}
  if (word.startsWith('--')) return Object.hasOwn(known, name) ? (known[name] as Options & Hints) : null
  return Object.values(known).find(({alias}) => alias === name[0]) ?? null
}

const walk = (words: readonly string[], top: Declared): Place => {
  let place: Place = {path: [], command: null, declared: top, rest: [], open: null}
  for (const word of words) {
    if (place.open) {
      place = {...place, open: null}
    } else if (word.startsWith('-') && word !== '-') {
      const option = optionOf(word, place.declared)
      const alone = word.startsWith('--') ? !word.includes('=') : word.length === 2 // not -ojson
      const takesNext = option !== null && option.type !== 'boolean' && alone
      place = {...place, open: takesNext ? option : null}
    } else {
      const command =
        place.rest.length === 0 ? place.declared.commands.find((each) => nameOf(each) === word) : undefined
      if (command) place = {path: [...place.path, word], command, declared: declaredBy(command), rest: [], open: null}
      else place = {...place, rest: [...place.rest, word]}
    }
  }
  return place
}

/** What a line of words names: its command, what that declares, and the words that are no command. */
export const find = (words: readonly string[], top: Declared): Pick<Place, 'path' | 'command' | 'declared' | 'rest'> =>
  walk(words, top)

/** What the last word may become: fixed words, or something that only the fleet knows. Neither: a file, or the user's own idea. */
export type Completion = {readonly words: readonly string[]; readonly source: Source | null}

/** `--flag=value` is completed as a whole. */
export const completeWords = (words: readonly string[], top: Declared): Completion => {
  const current = words.at(-1) ?? ''
  const place = walk(words.slice(0, -1), top)
  const flag = /^--[^=]+=/.exec(current)?.[0]
  const option = flag ? optionOf(flag, place.declared) : place.open
  if (option) {
    const choices = (option.choices ?? []).map((choice) => `${flag ?? ''}${String(choice)}`)
    return {words: starting(choices, current), source: option.completes ?? null}
  }
  return completeFree(current, place)
}

const starting = (candidates: readonly string[], current: string): readonly string[] =>
  candidates.filter((candidate) => candidate.startsWith(current))

const completeFree = (current: string, {command, declared, rest}: Place): Completion => {
  if (current.startsWith('-')) {
    return {
      words: starting(
        Object.keys({...declared.options, help: true}).map((name) => `--${name}`),
        current,
      ),
      source: null,
    }
  }
  const next = command ? positionalsOf(command)[rest.length] : undefined
  const positional = next === undefined ? undefined : declared.positionals[next]
  const fixed = rest.length === 0 ? declared.commands.map(nameOf) : []
  const choices = (positional?.choices ?? []).map(String)
  return {words: starting([...fixed, ...choices], current), source: positional?.completes ?? null}
}

/** Throws `UsageError` for a word that no command takes, naming the nearest that one does, and for one that is missing. */
export const checkWords = (words: readonly string[], top: Declared): void => {
  for (const [index, word] of words.entries()) {
    const place = walk(words.slice(0, index), top)
    if (word === '--') break
    if (place.open) checkChoice(word, words[index - 1] as string, place.open)
    else if (word.startsWith('-') && word !== '-') checkFlag(word, place)
  }
  const place = walk(words, top)
  if (place.open) throw new UsageError(`${words.at(-1)} needs a value`)
  checkPositionals(place)
}

const checkFlag = (word: string, place: Place): void => {
  const option = optionOf(word, place.declared)
  if (!option) throw unknownFlag(word, place)
  const [flag, value] = word.split(/=(.*)/s)
  if (value !== undefined) checkChoice(value, flag as string, option)
}

const checkChoice = (value: string, what: string, {choices}: Options | PositionalOptions): void => {
  if (!choices || choices.includes(value)) return
  throw new UsageError(`${what} is one of ${choices.join(', ')}, not '${value}'`)
}

const unknownFlag = (word: string, {path, declared}: Place): UsageError => {
  const flag = word.split('=')[0] as string
  const near = nearest(
    flag,
    Object.keys({...always, ...declared.options}).map((name) => `--${name}`),
  )
  return new UsageError(
    near ? `unknown flag ${flag}: did you mean ${near}?` : `unknown flag ${flag}: ${helpOf(path)} lists them`,
  )
}

const checkPositionals = ({path, command, declared, rest}: Place): void => {
  const required = command ? positionalsOf(command) : []
  const extra = rest[required.length]
  const missing = required[rest.length]
  if (missing !== undefined) {
    const usage = [...path, ...required.map((name) => name.toUpperCase())].join(' ')
    throw new UsageError(`the ${missing} is missing: hearth ${usage}`)
  }
  for (const [index, name] of required.entries())
    checkChoice(rest[index] as string, name, declared.positionals[name] ?? {})
  if (extra === undefined) return
  if (declared.commands.length === 0)
    throw new UsageError(`hearth ${path.join(' ')} does not take '${extra}': ${helpOf(path)}`)
  const near = nearest(extra, declared.commands.map(nameOf))
  const what = `there is no command '${[...path, extra].join(' ')}'`
  throw new UsageError(
    near ? `${what}: did you mean ${[...path, near].join(' ')}?` : `${what}: ${helpOf(path)} lists them`,
  )
}

const helpOf = (path: readonly string[]): string => ['hearth', ...path, '--help'].join(' ')
