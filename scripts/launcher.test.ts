import {execFileSync} from 'node:child_process'
import {copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'

const root = join(import.meta.dirname, '..')
const launchers = {
  hearth: join(root, 'fleet/bin/hearth'),
  'hearth-fleet': join(root, 'fleet/bin/hearth-fleet'),
  'hearth-agent': join(root, 'agent/bin/hearth-agent'),
}

let directory: string
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'hearth-launcher-')), 'with a space')
  mkdirSync(directory)
})
afterEach(() => rmSync(join(directory, '..'), {recursive: true}))

const run = (file: string, args: readonly string[], more: {cwd?: string; env?: NodeJS.ProcessEnv} = {}): string =>
  execFileSync(file, args, {encoding: 'utf8', cwd: '/', ...more}).trim()

describe('launchers', () => {
  it.each(Object.entries(launchers))('%s runs its own program, also by a link to a link', (name, launcher) => {
    const version = run(launcher, ['--version'])
    expect(version).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+$`))
    symlinkSync(launcher, join(directory, name))
    mkdirSync(join(directory, 'bin'))
    symlinkSync(`../${name}`, join(directory, 'bin', name))
    expect(run(join(directory, 'bin', name), ['--version'])).toBe(version)
    expect(run(join(directory, 'bin', name), ['--help'])).toContain(`${name} `)
  })

  it('runs from any directory, by PATH, by a name without a path, and by a link with another name', () => {
    symlinkSync(launchers.hearth, join(directory, 'hearth'))
    symlinkSync('hearth', join(directory, 'h'))
    const PATH = `${directory}:${process.env['PATH']}`
    const version = run(launchers.hearth, ['--version'])
    expect(run('hearth', ['--version'], {env: {...process.env, PATH}})).toBe(version)
    expect(run('sh', ['hearth', '--version'], {cwd: join(root, 'fleet/bin')})).toBe(version)
    expect(run('sh', ['h', '--version'], {cwd: directory})).toBe(version)
    expect(run('./hearth', ['--version'], {cwd: directory})).toBe(version)
  })

  it('says what to do where nothing is set up', () => {
    mkdirSync(join(directory, 'fleet/bin'), {recursive: true})
    copyFileSync(launchers.hearth, join(directory, 'fleet/bin/hearth'))
    const failed = () => run(join(directory, 'fleet/bin/hearth'), ['status'])
    expect(failed).toThrow(`hearth: Hearth is not set up here: run make setup in ${directory}`)
  })
})
