# sh images/toolchain/build.sh GO FOLDER: builds the buildkitd and buildctl that go.mod pins, with upstream's own flags.
set -eu
cd "$(dirname "$0")"
version=$(sed -n 's|^.*github.com/moby/buildkit \(v[^ ]*\).*|\1|p' go.mod)
CGO_ENABLED=0 "$1" build -tags 'osusergo netgo static_build seccomp' \
  -ldflags "-s -w -extldflags -static -X github.com/moby/buildkit/version.Version=$version" \
  -o "$2/" github.com/moby/buildkit/cmd/buildkitd github.com/moby/buildkit/cmd/buildctl
"$2/buildkitd" --version
