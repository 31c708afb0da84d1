import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {renderDaemonConfig, renderMounts} from './config.ts'

describe('renderDaemonConfig', () => {
  const config = renderDaemonConfig({
    runc: '/opt/a "quoted" place/runc.sh',
    platforms: ['linux/amd64'],
    cgroupParent: '/hearth/b-1/steps',
    registries: {
      'r.example:5000': {http: true, insecure: false},
      'docker.io': {mirrors: ['m.example'], ca: ['/a "b".pem']},
    },
  })

  it('collects no garbage by itself, probes nothing, and keeps steps in the group of the builder', () => {
    const lines = config.split('\n')
    for (const line of ['gc = false', 'networkMode = "host"', 'defaultCgroupParent = "/hearth/b-1/steps"'])
      expect(lines).toContain(line)
    expect(lines.filter((line) => line === 'platforms = ["linux/amd64"]')).toHaveLength(2)
  })

  it('says what is special about registries', () => {
    const registries = config.slice(config.indexOf('[registry'))
    expect(registries.trim().split('\n')).toEqual([
      '[registry."r.example:5000"]',
      'http = true',
      'insecure = false',
      '[registry."docker.io"]',
      'ca = ["/a \\"b\\".pem"]',
      'mirrors = ["m.example"]',
    ])
  })

  it('quotes what stands in a path', () => {
    expect(config).toContain('binary = "/opt/a \\"quoted\\" place/runc.sh"')
  })
})

describe('renderMounts', () => {
  it('mounts the volume last', () => {
    const lines = renderMounts('/var/lib/hearth/run/b-1', '/dev/loop7').trim().split('\n')
    expect(lines.at(-1)).toMatch(/^\/dev\/loop7 \/run\/cache xfs /)
    expect(lines).toHaveLength(4)
  })

  it('keeps six fields in each line, whatever the paths are', () => {
    fc.assert(
      fc.property(fc.string({minLength: 1}), (directory) => {
        for (const line of renderMounts(`/${directory}`, '/dev/loop7').trimEnd().split('\n'))
          expect(line.split(/[ \t]+/)).toHaveLength(6)
      }),
    )
  })
})
