# sh images/runc/build.sh GO FOLDER: builds the runc that go.mod pins. Static, so that it does not depend on what libraries
# the machine has later. Needs the Debian packages of images/debian/runc.
set -eu
cd "$(dirname "$0")"
CGO_ENABLED=1 "$1" build -buildmode=pie -tags 'seccomp netgo osusergo' \
  -ldflags '-s -w -linkmode external -extldflags -static-pie' \
  -o "$2/" github.com/opencontainers/runc
"$2/runc" --version
