import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {beforeAll, describe, expect, it} from 'vitest'
import {type Docker, startDocker} from '../support/docker.ts'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('hearth build --load', () => {
  const shared = sharedHearth()
  let docker: Docker
  beforeAll(async () => {
    docker = await startDocker(shared().directory)
  })

  it('loads the image into a real Docker, which runs it', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'app', [
      'RUN echo hello from the image >/message',
      'ENV WHO=someone',
      'CMD ["/bin/sh", "-c", "cat /message && echo $WHO"]',
    ])
    const user = hearth.with({environment: docker.environment})
    const built = await user.run('build', '--load', '-t', 'app', context)
    expect(built.stderr).toMatch(/^loaded into Docker: app$/m)
    expect(built).toMatchObject({code: 0, stdout: ''})
    const ran = await docker.run('run', '--rm', 'app')
    expect(ran).toEqual({code: 0, stdout: 'hello from the image\nsomeone\n', stderr: ''})
  })

  it('gives it each of its names, and the id that it has in Docker', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'named', ['RUN echo named >/message'])
    const user = hearth.with({environment: docker.environment, workingDirectory: context})
    const idFile = join(directory.path, 'id')
    const names = ['-t', 'example.test/team/named:1', '-t', 'named']
    const built = await user.run('build', '-q', '--load', ...names, '--iidfile', idFile, '-o', '../files', '.')
    expect(built.stderr).toBe('')
    expect(built.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/)
    for (const name of ['named:latest', 'example.test/team/named:1'])
      expect((await docker.run('image', 'inspect', '--format', '{{.Id}}', name)).stdout).toBe(built.stdout)
    expect(await readFile(idFile, 'utf8')).toBe(built.stdout.trim())
    expect(await readFile(join(directory.path, 'files/message'), 'utf8')).toBe('named\n')
  })

  it('asks for no builder where Docker does not run', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'nowhere', ['RUN true'])
    const before = await hearth.json<readonly unknown[]>('builds')
    await mkdir(join(directory.path, 'none'))
    const environment = {DOCKER_HOST: `unix://${join(directory.path, 'none', 'docker.sock')}`}
    const built = await hearth.with({environment}).run('build', '--load', '-t', 'app', context)
    expect(built.code).toBe(3)
    expect(built.stderr).toMatch(/^hearth: --load needs a running Docker: .*Is the docker daemon running\?\n$/)
    expect(await hearth.json<readonly unknown[]>('builds')).toEqual(before)
  })
})
