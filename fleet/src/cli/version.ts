import manifest from '../../package.json' with {type: 'json'}

/** The version of this program; the bundle carries it along. */
export const version: string = manifest.version
