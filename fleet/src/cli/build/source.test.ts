import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Readable} from 'node:stream'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {resolveSource} from './source.ts'

let directory: string
let scratch: string
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'hearth-source-')))
  scratch = join(directory, 'scratch')
  for (const name of ['scratch', 'app', 'lower', 'empty']) mkdirSync(join(directory, name))
  writeFileSync(join(directory, 'app/Dockerfile'), 'FROM scratch\n')
  writeFileSync(join(directory, 'app/Other'), 'FROM scratch\n')
  writeFileSync(join(directory, 'lower/dockerfile'), 'FROM scratch\n')
  writeFileSync(join(directory, 'Outside'), 'FROM scratch\n')
})
afterEach(() => rmSync(directory, {recursive: true}))

const stdinOf = (bytes: string | Uint8Array, isTTY = false) =>
  Object.assign(Readable.from([Buffer.from(bytes)]), {isTTY}) as unknown as NodeJS.ReadStream
const source = (positional: string | null, file: string | null = null, stdin = stdinOf('')) =>
  resolveSource({positional, file, workingDirectory: directory, scratch, stdin})

describe('a directory', () => {
  it('has its Dockerfile inside', async () => {
    const app = join(directory, 'app')
    expect(await source('app')).toEqual({
      locals: {context: app, dockerfile: app},
      options: {filename: 'Dockerfile'},
      projectDirectory: app,
      needsSsh: false,
    })
  })

  it('may call it dockerfile, as docker allows', async () => {
    expect((await source('lower')).options).toEqual({filename: 'dockerfile'})
  })

  it('takes -f from the working directory, also from outside', async () => {
    expect(await source('app', 'Outside')).toMatchObject({
      locals: {context: join(directory, 'app'), dockerfile: directory},
      options: {filename: 'Outside'},
    })
  })

  it('takes a Dockerfile from stdin', async () => {
    const {locals, options} = await source('app', '-', stdinOf('FROM scratch AS piped\n'))
    expect(locals['context']).toBe(join(directory, 'app'))
    expect(readFileSync(join(locals['dockerfile'] as string, options['filename'] as string), 'utf8')).toContain('piped')
  })

  it('follows a link that leaves the directory of the Dockerfile', async () => {
    symlinkSync('../Outside', join(directory, 'empty/Dockerfile'))
    expect(await source('empty')).toMatchObject({locals: {dockerfile: directory}, options: {filename: 'Outside'}})
  })

  it.each([
    ['nope', null, /^the context nope does not exist \(looked at .*\/nope\)$/],
    ['Outside', null, /^the context Outside is a file: /],
    ['empty', null, /^no Dockerfile at .*\/empty\/Dockerfile: name it with -f$/],
    ['app', 'Other', /^no Dockerfile at .*\/Other: did you mean -f app\/Other\?$/],
    ['app', 'empty', /^the Dockerfile .*\/empty is a directory/],
    ['app', 'https://host/Dockerfile', /a Dockerfile from a URL is not supported/],
    ['-', '-', /^stdin can be the context or the Dockerfile, not both/],
  ])('refuses %s with -f %s', async (positional, file, message) => {
    await expect(source(positional, file)).rejects.toThrow(message)
  })
})

describe('a URL', () => {
  it.each([
    ['https://github.com/acme/web.git#main:app', false],
    ['https://host/context.tar.gz', false],
    ['git@github.com:acme/web.git', true],
    ['ssh://git@host/web.git', true],
    ['github.com/acme/web', false],
  ])('%s goes to BuildKit as it is', async (url, needsSsh) => {
    expect(await source(url)).toEqual({locals: {}, options: {context: url}, projectDirectory: directory, needsSsh})
  })

  it('finds -f inside, or takes it from stdin', async () => {
    expect((await source('https://host/x.git', 'sub/Other')).options).toEqual({
      context: 'https://host/x.git',
      filename: 'sub/Other',
    })
    const piped = await source('https://host/x.git', '-', stdinOf('FROM scratch\n'))
    expect(piped.options).toEqual({context: 'https://host/x.git', filename: 'Dockerfile', dockerfilekey: 'dockerfile'})
    expect(piped.locals['dockerfile']).toContain(scratch)
  })
})

describe('stdin', () => {
  const tar = (...flags: readonly string[]) => execFileSync('tar', ['-c', ...flags, '-C', join(directory, 'app'), '.'])

  it.each([[[]], [['-z']], [['--format=v7']]])('unpacks a tar made with %j', async (flags) => {
    const {locals, options} = await source('-', 'Other', stdinOf(tar(...flags)))
    expect(options).toEqual({filename: 'Other'})
    expect(readFileSync(join(locals['context'] as string, 'Dockerfile'), 'utf8')).toBe('FROM scratch\n')
  })

  it('takes what is no tar for a Dockerfile, with an empty context', async () => {
    const {locals} = await source('-', null, stdinOf('FROM scratch\n'))
    expect(readFileSync(join(locals['dockerfile'] as string, 'Dockerfile'), 'utf8')).toBe('FROM scratch\n')
    expect(execFileSync('ls', ['-A', locals['context'] as string]).toString()).toBe('')
  })

  it('says what is wrong with it', async () => {
    await expect(source('-', null, stdinOf('', true))).rejects.toThrow('stdin is this terminal')
    await expect(source('-', null, stdinOf(''))).rejects.toThrow('nothing came in on stdin')
    await expect(source('-', 'Nope', stdinOf(tar()))).rejects.toThrow('the tar on stdin holds no Nope')
    await expect(source('-', 'Nope', stdinOf('FROM scratch\n'))).rejects.toThrow(
      'stdin is a Dockerfile, and -f names another',
    )
  })

  it('wants no tar where a Dockerfile should come', async () => {
    await expect(source('app', '-', stdinOf(tar('-z')))).rejects.toThrow('what came is a tar')
  })

  it('says why a tar that is cut off does not unpack', async () => {
    await expect(source('-', null, stdinOf(tar('-z').subarray(0, 40)))).rejects.toThrow(
      "the tar on stdin can't be unpacked",
    )
  })
})
