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
    ['', ['hosts', 'shell', 'drain'], null],
    ['h', ['hosts'], null],
    ['hosts ', ['drain'], null],
    ['hosts -', ['--output', '--help'], null],
    ['hosts -o ', ['table', 'json', 'yaml'], null],
    ['hosts --output=', ['--output=table', '--output=json', '--output=yaml'], null],
    ['hosts --output=j', ['--output=json'], null],
    ['hosts -o json ', ['drain'], null],
    ['hosts drain ', [], 'hosts'],
    ['hosts drain --f', ['--force'], null],
    ['hosts drain --force ', [], 'hosts'],
    ['hosts drain --deadline ', [], null],
    ['hosts drain vm ', [], null],
    ['shell ', ['bash', 'zsh'], null],
    ['shell zsh ', [], null],
  ])('%j', (line, words, source) => {
    expect(completeWords(line.split(' '), top)).toEqual({words, source})
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
    'hosts drain vm --help',
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
    ['drain', 'the host is missing: hearth drain HOST'],
    ['hosts drain a b', "hearth hosts drain does not take 'b': hearth hosts drain --help"],
    ['hosts drain a --deadline', '--deadline needs a value'],
    ['hosts -o xml', "-o is one of table, json, yaml, not 'xml'"],
    ['hosts --output=xml', "--output is one of table, json, yaml, not 'xml'"],
    ['shell tcsh', "name is one of bash, zsh, not 'tcsh'"],
  ])('refuses %j', (line, message) => {
    expect(() => checkWords(line.split(' '), top)).toThrow(new UsageError(message))
  })
})
