import {describe, expect, it} from 'vitest'
import {helpOf, parseFlags} from './real-flags.ts'

describe('parseFlags', () => {
  it('runs without a verb, and drains with one', () => {
    expect(parseFlags(['--fleet', 'https://f', '--slots=3'])).toEqual({
      verb: 'run',
      flags: {fleet: 'https://f', slots: '3'},
    })
    expect(parseFlags(['drain', '--no-deadline', '--reason', 'disks'])).toEqual({
      verb: 'drain',
      flags: {'no-deadline': true, reason: 'disks'},
    })
  })

  it.each([
    [['--flet', 'x'], 'there is no flag --flet: did you mean --fleet?'],
    [['--zzzzzzz'], 'there is no flag --zzzzzzz: see --help'],
    [['drain', '--join', 'x'], 'there is no flag --join'],
    [['drian'], "there is no command 'drian': did you mean drain?"],
    [['serve'], "there is no command 'serve': see --help"],
    [['--fleet'], "'--fleet <value>' argument missing"],
    [['-x'], "Unknown option '-x'"],
  ])('refuses %j', (argv, message) => {
    expect(() => parseFlags(argv)).toThrow(message)
  })

  it('fits the help into 100 columns', () => {
    expect(
      helpOf('0.1.0')
        .split('\n')
        .filter((line) => line.length > 100),
    ).toEqual([])
  })
})
