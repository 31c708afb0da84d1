import {describe, expect, it} from 'vitest'
import {UsageError} from '../failures.ts'
import {type Flags, parseBuild} from './flags.ts'

const parse = (...argv: readonly string[]) => parseBuild(argv)
const complaint = (...argv: readonly string[]): string => {
  try {
    parseBuild(argv)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return 'no complaint'
}

describe('parseBuild', () => {
  it.each<[line: string, expected: Partial<Flags>]>([
    ['-t web', {tag: ['web']}],
    ['-tweb', {tag: ['web']}],
    ['-t=web', {tag: ['web']}],
    ['--tag web --tag=web:2', {tag: ['web', 'web:2']}],
    ['-f Other', {file: 'Other'}],
    ['--file -', {file: '-'}],
    ['--file A --file B', {file: 'B'}],
    ['--target test', {target: 'test'}],
    ['--build-arg A=1 --build-arg B', {'build-arg': ['A=1', 'B']}],
    ['--build-arg A=1=2', {'build-arg': ['A=1=2']}],
    ['--build-context base=../base', {'build-context': ['base=../base']}],
    ['--label a=b', {label: ['a=b']}],
    ['--platform linux/arm64', {platform: ['linux/arm64']}],
    ['--secret id=x,src=y', {secret: ['id=x,src=y']}],
    ['--ssh default', {ssh: ['default']}],
    ['--no-cache', {'no-cache': true, 'no-cache-filter': []}],
    ['--no-cache=false', {'no-cache': false}],
    ['--no-cache-filter a', {'no-cache': false, 'no-cache-filter': ['a']}],
    ['--pull', {pull: true}],
    ['--pull=true', {pull: true}],
    ['--add-host a:1.2.3.4', {'add-host': ['a:1.2.3.4']}],
    ['--network none', {network: 'none'}],
    ['-o out', {output: ['out']}],
    ['-o - --output type=tar', {output: ['-', 'type=tar']}],
    ['--push --load', {push: true, load: true}],
    ['--provenance=false', {provenance: 'false'}],
    ['--sbom true', {sbom: 'true'}],
    ['--attest type=sbom', {attest: ['type=sbom']}],
    ['--iidfile id', {iidfile: 'id'}],
    ['--metadata-file m.json', {'metadata-file': 'm.json'}],
    ['--progress plain', {progress: 'plain'}],
    ['-q', {quiet: true}],
    ['-qt web', {quiet: true, tag: ['web']}],
    ['--project acme/web', {project: 'acme/web'}],
    [
      '--cache-from type=gha --cache-to type=gha,mode=max',
      {'cache-from': ['type=gha'], 'cache-to': ['type=gha,mode=max']},
    ],
    ['-h', {help: true}],
  ])('reads %s', (line, expected) => {
    const {flags, positional} = parse(...line.split(' '), '.')
    expect(flags).toMatchObject(expected)
    expect(positional).toBe('.')
  })

  it.each([
    [['-'], '-'],
    [['--no-cache', '.'], '.'],
    [['.', '--no-cache'], '.'],
    [['--build-arg', 'A=1', 'logs'], 'logs'],
    [['-t', 'x', '--', '--odd'], '--odd'],
    [[], null],
  ])('finds the context in %j', (argv, expected) => {
    expect(parse(...argv).positional).toBe(expected)
  })

  it.each([
    ['--no-cach', 'unknown flag --no-cach: did you mean --no-cache?'],
    ['--xylophone', 'unknown flag --xylophone: hearth build --help lists them'],
    ['-z', 'unknown flag -z: hearth build --help lists them'],
    [
      '--squash',
      "--squash is not supported by hearth build: it belongs to docker's classic builder; use a multi-stage build",
    ],
    ['-m 1g', '-m is not supported by hearth build: a builder has the limits of its slot: see hearth hosts show'],
    ['--constructor', 'unknown flag --constructor: hearth build --help lists them'],
    ['--tag', '--tag needs a value: --tag name[:tag]'],
    ['--tag --push', '--tag needs a value: --tag name[:tag]'],
    ['--push=perhaps', "--push is true or false, not 'perhaps'"],
    ['a b', 'hearth build takes one context, and there are 2: a b'],
  ])('refuses %s', (line, message) => {
    expect(complaint(...line.split(' '))).toBe(message)
  })
})
