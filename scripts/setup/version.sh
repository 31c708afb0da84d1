# Versions and the names of cached results.

# at_least HAVE LOWEST
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The first dotted number in what a program says of itself; nothing if there is no such program, or it does not run.
version_of() {
  command -v "$1" >/dev/null && "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true
}

# key FILE...: names what is made from these files, on this architecture.
key() {
  echo "$(cat "$@" | sha256sum | cut -c 1-16)-$(uname -m)"
}

# link PROGRAM NAME
# Whoever may read this checkout may build with it, though the cache of root, who set it up, is closed to others: so programs of the
# cache are hard links, or copies where the cache lies on another file system.
link() {
  own=$toolchain/bin/$2
  case $1 in
    "$cache"/*) [ ! -L "$own" ] && [ "$1" -ef "$own" ] || { rm -f "$own" && ln "$1" "$own" 2>/dev/null || cp "$1" "$own"; } ;;
    *) ln -sfn "$1" "$own" ;;
  esac
}
