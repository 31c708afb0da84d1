import {describe, expect, it} from 'vitest'
import {InfrastructureError} from '../failures.ts'
import {resolvePlatforms} from './platform.ts'

describe('resolvePlatforms', () => {
  it.each([
    [[], 'x64', ['amd64']],
    [[], 'arm64', ['arm64']],
    [['linux/arm64'], 'x64', ['arm64']],
    [['linux/arm64/v8'], 'x64', ['arm64']],
    [['linux/amd64,linux/arm64'], 'x64', ['amd64', 'arm64']],
    [['linux/arm64', 'linux/amd64', 'linux/x86_64'], 'x64', ['arm64', 'amd64']],
    [['local'], 'arm64', ['arm64']],
    [['local,linux/amd64'], 'arm64', ['arm64', 'amd64']],
  ])('%j on %s', (values, own, expected) => {
    expect(resolvePlatforms(values, own)).toEqual(expected)
  })

  it.each(['linux/arm/v7', 'windows/amd64', 'linux/amd64/v2', ''])('refuses %j by name', (name) => {
    expect(() => resolvePlatforms([name], 'x64')).toThrow(
      `--platform ${name}: Hearth builds linux/amd64 and linux/arm64, each on hosts of its own kind`,
    )
  })

  it('asks for --platform on a machine that is neither', () => {
    expect(() => resolvePlatforms([], 'riscv64')).toThrow(InfrastructureError)
    expect(resolvePlatforms(['linux/amd64'], 'riscv64')).toEqual(['amd64'])
  })
})
