type Hint = readonly [cause: RegExp, hint: (found: RegExpExecArray) => string]

/** By BuildKit's words, as it gives no codes: a hint that no longer fits is only not shown. */
const hints: readonly Hint[] = [
  [
    /^failed to push .*server gave HTTP response to HTTPS client/,
    () => 'the registry speaks plain HTTP: push with -o type=image,registry.insecure=true',
  ],
  [
    /^([\w.-]+(?::\d+)?)\/\S+: failed to resolve source metadata.*server gave HTTP response to HTTPS client/,
    ([, registry]) => `${registry} speaks plain HTTP: agent.yaml of the hosts must say so, under registries`,
  ],
  [
    /dial tcp (?:127\.[\d.]+|\[::1\]):\d+: connect: connection refused/,
    () => 'localhost is the builder itself: name the registry by an address of its host',
  ],
  [
    /^failed to push ([^/:\s]+(?::\d+)?)\/.*(?:401 Unauthorized|403 Forbidden|insufficient_scope)/,
    ([, registry]) => `log in first, as someone who may push: docker login ${registry}`,
  ],
]

/** What a user can do about a build that failed for this reason; null if that is known only to them. */
export const hintFor = (reason: string): string | null => {
  for (const [cause, hint] of hints) {
    const found = cause.exec(reason)
    if (found) return hint(found)
  }
  return null
}
