import {stringify} from 'yaml'

// By itself, so that it can be loaded late: a dynamic import of the package has no named exports in a bundle.

export const toYaml = (value: unknown): string => stringify(value).trimEnd()
