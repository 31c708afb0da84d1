import {readFileSync} from 'node:fs'
import {ConfigError} from '@hearth/proto/config-file'
import {parse} from 'yaml'

/** What a YAML file says. Throws `ConfigError`, naming the file and the place. */
export const readYamlFile = (path: string): unknown => {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    const why = (cause as Error).message.split('\n', 1)[0]?.replace(/:$/, '')
    throw new ConfigError(`${path} can't be read: ${why}`, {cause})
  }
}
