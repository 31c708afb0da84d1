import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {parseBuild} from './flags.ts'
import {checkSecrets, checkSsh, frontendOptions} from './inputs.ts'

const environment = {HOME_TOWN: 'Ulm', EMPTY: ''}
const options = (...argv: readonly string[]) => frontendOptions(parseBuild(argv).flags, {environment})

describe('frontendOptions', () => {
  it.each<[argv: readonly string[], expected: Record<string, string>]>([
    [[], {}],
    [['--target', 'test'], {target: 'test'}],
    [['--build-arg', 'A=1=2'], {'build-arg:A': '1=2'}],
    [['--build-arg', 'A='], {'build-arg:A': ''}],
    [['--build-arg', 'HOME_TOWN'], {'build-arg:HOME_TOWN': 'Ulm'}],
    [['--build-arg', 'EMPTY'], {'build-arg:EMPTY': ''}],
    [['--build-arg', 'MISSING'], {}],
    [['--label', 'a=b', '--label', 'c'], {'label:a': 'b', 'label:c': ''}],
    [['--no-cache'], {'no-cache': ''}],
    [['--no-cache-filter', 'a', '--no-cache-filter', 'b,c'], {'no-cache': 'a,b,c'}],
    [['--no-cache', '--no-cache-filter', 'a'], {'no-cache': ''}],
    [['--pull'], {'image-resolve-mode': 'pull'}],
    [['--add-host', 'db:10.0.0.1', '--add-host', 'six=[::1]'], {'add-hosts': 'db=10.0.0.1,six=::1'}],
    [['--network', 'default'], {}],
    [['--network', 'none'], {'force-network-mode': 'none'}],
    [['--provenance', 'mode=max'], {'attest:provenance': 'mode=max'}],
    [['--provenance=false'], {}],
    [['--sbom=true'], {'attest:sbom': ''}],
    [['--attest', 'type=provenance,mode=min'], {'attest:provenance': 'mode=min'}],
    [['--attest', 'type=sbom', '--sbom=false'], {}],
  ])('%j', (argv, expected) => {
    expect(options(...argv)).toEqual(expected)
  })

  it.each([
    [['--build-arg', '=1'], '--build-arg =1 has no name: it is K=V'],
    [['--label', ''], '--label  has no name: it is K=V'],
    [['--add-host', 'db'], '--add-host db is not name:ip'],
    [['--add-host', 'db:1.2.3'], '--add-host db:1.2.3 is not name:ip'],
    [['--add-host', 'db:host-gateway'], "a builder can't reach its host"],
    [['--network', 'host'], '--network host: RUN steps have'],
    [['--network', 'bridge'], '--network bridge: it is default or none'],
    [['--attest', 'type=other'], '--attest type=other: type is provenance or sbom'],
  ])('refuses %j', (argv, message) => {
    expect(() => options(...argv)).toThrow(message)
  })
})

describe('secrets and ssh', () => {
  let workingDirectory: string
  beforeAll(() => {
    workingDirectory = mkdtempSync(join(tmpdir(), 'hearth-inputs-'))
    writeFileSync(join(workingDirectory, 'key'), 'x')
  })
  afterAll(() => rmSync(workingDirectory, {recursive: true}))

  it.each([
    'id=a,src=key',
    'id=a,source=key',
    'id=a,env=HOME_TOWN',
    'id=HOME_TOWN,type=env',
    'id=a,type=env,src=HOME_TOWN',
    'src=key',
  ])('accepts --secret %s', (value) => {
    expect(() => checkSecrets([value], {environment, workingDirectory})).not.toThrow()
  })

  it.each([
    ['id=a,src=nope', '--secret id=a,src=nope: no file at'],
    ['id=a,src=.', 'is a directory'],
    ['id=a,env=MISSING', '--secret id=a,env=MISSING: the environment has no MISSING'],
    ['id=a,type=file,colour=red', 'there is no colour='],
    ['id=a,type=disk', 'type is file or env'],
    ['type=file', 'id= is missing'],
    ['a', "'a' is not key=value"],
  ])('refuses --secret %s', (value, message) => {
    expect(() => checkSecrets([value], {environment, workingDirectory})).toThrow(message)
  })

  it('needs an agent, or keys that are there', () => {
    const without = {environment: {}, workingDirectory}
    expect(() => checkSsh(['default'], without)).toThrow('no SSH agent runs')
    expect(() => checkSsh(['default'], {environment: {SSH_AUTH_SOCK: '/run/agent'}, workingDirectory})).not.toThrow()
    expect(() => checkSsh(['id=key', 'raw=key,raw=true'], without)).not.toThrow()
    expect(() => checkSsh(['id=nope'], without)).toThrow('--ssh id=nope: no file at')
    expect(() => checkSsh(['=x'], without)).toThrow('--ssh =x: it is default or id=path')
  })
})
