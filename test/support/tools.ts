import {findTool} from '@hearth/fleet/cli/tools'

const tool = (name: string): string => findTool(name, process.env, import.meta.dirname)

/** The pinned toolchain that set-up made. */
export const tools = {
  get buildkitd() {
    return tool('buildkitd')
  },
  get runc() {
    return tool('runc')
  },
  get buildctl() {
    return tool('buildctl')
  },
} as const
