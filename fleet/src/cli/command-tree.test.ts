import {describe, expect, it} from 'vitest'
import {checkWords, completeWords, type Declared} from './command-tree.ts'
import {UsageError} from './failures.ts'
import {verb, withHost, withOutput} from './verb.ts'

const drain = verb({
  command: 'drain <host>',
  builder: (args) => withHost(args).option('force', {type: 'boolean'}).option('deadline', {type: 'string', alias: 'd'}),
  handler: () => undefined,
})
const hosts = verb({command: 'hosts', builder: (args) => withOutput(args).command(drain), handler: () => undefined})
const shell = verb({
  command: 'shell <name>',
  builder: (args) => args.positional('name', {choices: ['bash', 'zsh'] as const, demandOption: true}),
  handler: () => undefined,
})
const top: Declared = {commands: [hosts, shell, drain], options: {}, positionals: {}}

describe('completeWords', () => {
  it.each([
    ['', ['hosts', 'shell', 'drain']],
    ['h', ['hosts']],
    ['hosts ', ['drain']],
    ['hosts -', ['--output', '--help']],
    ['hosts -o ', ['table', 'json', 'yaml']],
    ['hosts -o json ', ['drain']],
    ['hosts drain --f', ['--force']],
    ['hosts drain --force ', []],
    ['hosts drain --deadline ', []],
    ['hosts drain vm ', []],
    ['shell ', ['bash', 'zsh']],
  ])('%j', (line, expected) => {
    expect(completeWords(line.split(' '), top)).toEqual(expected)
  })
})

describe('checkWords', () => {
  it.each([
    '',
    'hosts',
    'hosts -o json',
    'hosts -ojson',
    'hosts --output=yaml',
    'hosts drain vm --force -d 5m',
    'drain --force vm',
    'shell zsh',
    'hosts drain --help',
    'hosts -h',
  ])('lets %j through', (line) => {
    expect(() => checkWords(line.split(' ').filter(Boolean), top)).not.toThrow()
  })

  it.each([
    ['hsots', "there is no command 'hsots': did you mean hosts?"],
    ['xylophone', "there is no command 'xylophone': hearth --help lists them"],
    ['hosts drian vm', "there is no command 'hosts drian': did you mean hosts drain?"],
    ['hosts --otput json', 'unknown flag --otput: did you mean --output?'],
    ['hosts drain vm --zebra=1', 'unknown flag --zebra: hearth hosts drain --help lists them'],
    ['hosts drain vm -x', 'unknown flag -x: hearth hosts drain --help lists them'],
    ['drain', 'the host is missing: hearth drain <host>'],
    ['hosts drain a b', "hearth hosts drain does not take 'b': hearth hosts drain --help"],
    ['hosts drain a --deadline', '--deadline needs a value'],
    ['hosts -o xml', "-o is table, json, yaml, not 'xml'"],
    ['hosts --output=xml', "--output is table, json, yaml, not 'xml'"],
    ['shell tcsh', "name is bash, zsh, not 'tcsh'"],
  ])('refuses %j', (line, message) => {
    expect(() => checkWords(line.split(' '), top)).toThrow(new UsageError(message))
  })
})
