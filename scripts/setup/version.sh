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
# Whoever may read this checkout may build with it, though the cache of root, who set it up, is closed to others: so what every user
# runs is a hard link, where the cache lies on the same file system.
link() {
  case $2:$1 in
  node:"$cache"/* | buildctl:"$cache"/*)
    ln -f "$(readlink -f "$1")" "$toolchain/bin/$2.partial" 2>/dev/null && mv -f "$toolchain/bin/$2.partial" "$toolchain/bin/$2" && return
    ;;
  esac
  ln -sfn "$1" "$toolchain/bin/$2"
}
