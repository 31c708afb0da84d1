import {type CachePolicy, leastCacheSizeBytes, promotions, type SetProject} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {parseSize} from '@hearth/proto/size'
import type {Argv} from 'yargs'
import {UsageError} from '../failures.ts'
import {formatBytes, formatDuration} from '../format.ts'
import {hinted} from '../verb.ts'

/** The flags of `projects create` and `projects set`. `default` takes back what was set. */
export const withPolicy = <T>(args: Argv<T>) =>
  args
    .option(
      'cache-size',
      hinted({type: 'string', value: 'SIZE', describe: 'of a new volume, such as 20GB; what exists never shrinks'}),
    )
    .option(
      'cache-age',
      hinted({
        type: 'string',
        value: 'TIME',
        describe: 'a cache that is not used for so long goes, such as 30d, or never',
      }),
    )
    .option(
      'generations',
      hinted({type: 'string', value: 'N', describe: 'how many known-good generations are kept, with the head'}),
    )
    .option(
      'promote',
      hinted({
        choices: [...promotions, 'default'] as const,
        value: promotions.join('|'),
        describe: 'auto: a build changes the cache if that helps; always: the last one does; never',
      }),
    )

export type PolicyFlags = {
  readonly 'cache-size'?: string | undefined
  readonly 'cache-age'?: string | undefined
  readonly generations?: string | undefined
  readonly promote?: CachePolicy['promote'] | 'default' | undefined
}

/** What the flags ask for; those that are not given are missing. Throws `UsageError`. */
export const policyOf = (flags: PolicyFlags): SetProject => {
  const wanted = {
    cacheSizeBytes: orDefault(flags['cache-size'], sizeOf),
    cacheAgeMs: orDefault(flags['cache-age'], ageOf),
    generations: orDefault(flags.generations, generationsOf),
    promote: orDefault(flags.promote, (promote) => promote as CachePolicy['promote']),
  }
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
}

const orDefault = <Value>(text: string | undefined, parse: (text: string) => Value): Value | null | undefined =>
  text === undefined ? undefined : text === 'default' ? null : parse(text)

const sizeOf = (text: string): number => {
  const bytes = parseSize(text)
  if (bytes === null) throw new UsageError(`--cache-size is '${text}', but must be a size such as 20GB, or default`)
  if (bytes >= leastCacheSizeBytes) return bytes
  throw new UsageError(`--cache-size is ${text}, but a volume needs at least ${formatBytes(leastCacheSizeBytes)}`)
}

const ageOf = (text: string): number => {
  const ageMs = text === 'never' ? 0 : parseDuration(text)
  if (ageMs !== null && (ageMs > 0 || text === 'never')) return ageMs
  throw new UsageError(`--cache-age is '${text}', but must be a duration such as 30d, or never, or default`)
}

const generationsOf = (text: string): number => {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1 && number <= 100) return number
  throw new UsageError(`--generations is '${text}', but must be a whole number from 1 to 100, or default`)
}

/** One line for each part of the policy, for people. */
export const policyRows = (
  {cacheSizeBytes, cacheAgeMs, generations, promote}: CachePolicy,
  own: readonly string[],
): readonly (readonly [what: string, value: string])[] => {
  const value = (key: keyof CachePolicy, text: string) => `${text}${own.includes(key) ? '' : ' (default)'}`
  return [
    ['cache size', value('cacheSizeBytes', formatBytes(cacheSizeBytes))],
    ['cache age', value('cacheAgeMs', cacheAgeMs === 0 ? 'kept for ever' : formatDuration(cacheAgeMs))],
    ['generations', value('generations', String(generations))],
    ['promote', value('promote', promote)],
  ]
}
