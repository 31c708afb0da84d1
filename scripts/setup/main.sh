#!/bin/sh
# Sets this checkout up: scripts/setup/main.sh check|run|test. docs/setup.md says how and what it installs.
#   check  Node and the npm packages: enough for `make check`, needs no root
#   run    and what Hearth runs with: buildkitd, buildctl, runc, Debian packages
#   test   and what only tests need
# Results are links in build/toolchain; what is heavy lives in the user's cache directory. It may be killed or run twice
# at any time: every result is made under another name, under a lock, and renamed when it is whole.
set -eu

level=$1
stage=${2:-begin}
root=$(cd "$(dirname "$0")/../.." && pwd)
toolchain=$root/build/toolchain
cache=${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/hearth
export LC_ALL=C

. "$root/scripts/setup/show.sh"
. "$root/scripts/setup/version.sh"
. "$root/scripts/setup/preflight.sh"
. "$root/scripts/setup/debian.sh"
. "$root/scripts/setup/node.sh"
. "$root/scripts/setup/go.sh"
. "$root/scripts/setup/base.sh"
. "$root/scripts/setup/guest.sh"

main() {
  forget_own_programs
  case $stage in
    begin)
      preflight "$level"
      if [ "$(cat "$toolchain/stamp-$level" 2>/dev/null)" = "$(fingerprint)" ]; then
        cat "$toolchain/ways-$level"
        return
      fi
      mkdir -p "$root/build" "$cache" || refuse "can't write to $root or $cache (see above)" \
        'make both yours, or set XDG_CACHE_HOME to a directory that is'
      locked "$root/build/setup.lock" locked-here
      ;;
    locked-here) locked "$cache/setup.lock" locked ;;
    locked) set_up ;;
  esac
}

# What an earlier set-up linked must not pass for a program of this machine.
forget_own_programs() {
  PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vxF -e "$toolchain/bin" -e "$root/node_modules/.bin" | paste -sd : -)
  export PATH
}

# -o: the lock is not inherited by what set-up starts, which may outlive it (a package's service, Go's telemetry).
locked() {
  while :; do
    status=0
    flock -n -E 75 -o "$1" sh "$0" "$level" "$2" || status=$?
    [ "$status" -eq 75 ] || exit "$status"
    slow waiting 'for another set-up to end' flock "$1" true
  done
}

set_up() {
  mkdir -p "$toolchain/bin"
  rm -rf "$cache"/*.partial
  : >"$toolchain/ways-$level.partial"
  set_up_node
  if [ "$level" != check ]; then
    set_up_debian run
    preflight_after_packages
    set_up_go_tools
  fi
  if [ "$level" = test ]; then
    set_up_debian test
    set_up_debian_base
    set_up_guest
    set_up_buildkit_source
  fi
  set_up_npm_packages
  mv "$toolchain/ways-$level.partial" "$toolchain/ways-$level"
  fingerprint >"$toolchain/stamp-$level"
}

# Changes with all that set-up reads and with all that it made.
fingerprint() {
  {
    cat "$root"/scripts/setup/*.sh "$root"/images/*/go.* "$root"/images/*/build.sh "$root"/images/*/package-lock.json "$root"/images/go/* \
      "$root"/images/debian/* "$root"/images/guest/* "$root"/package.json "$root"/*/package.json "$root"/pnpm-*.yaml
    stat -L -c '%n %s %Y' "$toolchain"/bin/* "$toolchain"/buildkit-source/go.mod "$toolchain"/debian-base/base.tar "$toolchain"/guest/initrd "$root"/node_modules/.modules.yaml "$root"/*/node_modules /var/lib/dpkg/status
  } 2>&1 | sha256sum
}

main
