import {type Static, Type} from 'typebox'

/** Each of these becomes a word of a configuration file or of a command: nothing that could end a line or begin an option. */
const word = (pattern: string, description: string) => Type.String({pattern, description})
const name = word('^[A-Za-z0-9_][A-Za-z0-9_.-]*$', 'a name of letters, digits, dot, dash and underscore')

/**
 * All that a host needs to attach one copy, and good for nothing else: `key` opens `namespace` only. `monitors`: the entries of
 * `mon_host`, such as `[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`. `user` is without `client.`. Never to be written to a disk or a store.
 */
export const CephCredentials = Type.Object({
  monitors: Type.Array(word('^[A-Za-z0-9[][A-Za-z0-9.:,/[\\]_-]*$', "a monitor's address"), {minItems: 1}),
  pool: name,
  namespace: name,
  image: name,
  user: name,
  key: word('^[A-Za-z0-9+/]+=*$', 'a cephx key'),
})
export type CephCredentials = Static<typeof CephCredentials>
