import {describe, expect, it} from 'vitest'
import {parseBuild} from './flags.ts'
import {resolveOutputs} from './outputs.ts'

const outputs = (line: string) => resolveOutputs(parseBuild(line === '' ? [] : line.split(' ')).flags)

describe('resolveOutputs', () => {
  it.each([
    ['', [], null],
    ['-t web', [], null],
    ['-o out', ['type=local,dest=out'], null],
    ['-o -', ['type=tar,dest=-'], null],
    ['-o type=tar,dest=x.tar', ['type=tar,dest=x.tar'], null],
    ['-t web -o type=oci,dest=x.tar', ['type=oci,dest=x.tar,name=web'], null],
    ['-o type=cacheonly', [], null],
    ['-t a:1 --load', [], 'type=docker,name=a:1'],
    ['-t a -t b -o type=docker', [], 'type=docker,"name=a,b"'],
    ['-t a -o type=docker,dest=a.tar', ['type=docker,dest=a.tar,name=a'], null],
    ['-t r.io/a -t r.io/b --push', ['type=image,push=true,"name=r.io/a,r.io/b"'], null],
    ['-t r.io/a -t s.io/b --push', ['type=image,push=true,name=r.io/a', 'type=image,push=true,name=s.io/b'], null],
    ['-t r.io/a --push --load', ['type=image,push=true,name=r.io/a'], 'type=docker,name=r.io/a'],
    ['-t r.io/a --push -o out', ['type=local,dest=out', 'type=image,push=true,name=r.io/a'], null],
    ['-t r.io/a --push -o type=image,compression=zstd', ['type=image,compression=zstd,push=true,name=r.io/a'], null],
    ['-o type=registry,name=r.io/a', ['type=image,name=r.io/a,push=true'], null],
  ])('%s', (line, exports, load) => {
    expect(outputs(line)).toMatchObject({exports, load})
  })

  it('knows what goes where', () => {
    expect(outputs('-t r.io/a --push --load -o out')).toMatchObject({
      makesImage: true,
      usesStdout: false,
      pushed: ['r.io/a'],
      loaded: ['r.io/a'],
      written: ['out'],
    })
    expect(outputs('-o -')).toMatchObject({makesImage: false, usesStdout: true, written: []})
    expect(outputs('-o type=oci')).toMatchObject({makesImage: true, usesStdout: true})
  })

  it.each([
    ['--push', 'there is nothing to push to: name the image with -t registry/name:tag'],
    ['-o type=locl,dest=x', '--output type=locl: did you mean local?'],
    ['-o type=zebra', '--output type=zebra: the types are local, tar, oci, docker, image, registry, cacheonly'],
    ['-o dest=x', '--output dest=x: type= is missing'],
    ['-o a,b', "--output a,b: 'a' is not key=value"],
    ['-o type=local', '--output type=local: type=local needs dest=directory'],
    ['-o - --load', 'only one output can go to stdout'],
    ['-o - -o type=oci', 'only one output can go to stdout'],
    ['--load -o type=docker -o type=docker', 'give --load once'],
    ['-t WEB', '--tag WEB is not the name of an image'],
    ['-o type=image,name=A', '--output name A is not the name of an image'],
  ])('refuses %s', (line, message) => {
    expect(() => outputs(line)).toThrow(message)
  })
})
