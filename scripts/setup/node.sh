# Node, pnpm, and the npm packages of this checkout, all by lock files with integrity.

set_up_node() {
  node=$(command -v node || true)
  version=$(version_of node --version)
  if [ -n "$version" ] && at_least "$version" 24.0.0; then
    # a version manager's shim says where the program itself is
    node=$(node -p process.execPath)
    way node "$version" "from PATH ($node)"
  else
    from_npm node "node-linux-$(npm_arch)" bin/node
    node=$program
    way node "$version" "$how" cached
  fi
  link "$node" node
}

set_up_npm_packages() {
  lowest=$(sed -n 's/.*"packageManager": "pnpm@\(.*\)".*/\1/p' "$root/package.json")
  version=$(version_of pnpm --version)
  if [ -n "$version" ] && [ "${version%%.*}" = "${lowest%%.*}" ] && at_least "$version" "$lowest"; then
    program=$(command -v pnpm)
    way pnpm "$version" "from PATH ($program)"
  else
    from_npm pnpm "@pnpm/exe.linux-$(npm_arch)" pnpm
    way pnpm "$version" "$how" cached
  fi
  link "$program" pnpm
  slow packages "installing the npm packages of pnpm-lock.yaml" pnpm_install
  way packages "" "node_modules as pnpm-lock.yaml says ($took)" "node_modules as pnpm-lock.yaml says"
}

# CI=true: else pnpm asks a terminal before it replaces a node_modules made by another pnpm.
pnpm_install() {
  cd "$root"
  CI=true PATH="$toolchain/bin:$PATH" pnpm install --frozen-lockfile
}

# from_npm FOLDER PACKAGE FILE: installs what images/FOLDER locks. Leaves $program, its $version, and $how it came.
from_npm() {
  made=$cache/$1-$(key "$root/images/$1/package-lock.json")
  how=cached
  if [ ! -d "$made" ]; then
    command -v npm >/dev/null || fail "neither a new enough $1 nor npm is on PATH" \
      'install npm, or Node 24 or newer with its npm'
    whole "$made" "$1" 'installing from npm' npm_ci "$1" "$2/$3"
    how="from npm, by the lock file ($took)"
  fi
  program=$made/node_modules/$2/$3
  version=$(version_of "$program" --version)
}

# npm leaves an optional package out without a word if it can't have it, so the program itself is asked.
npm_ci() {
  cp "$root/images/$1/package.json" "$root/images/$1/package-lock.json" "$partial"
  cd "$partial"
  npm ci --ignore-scripts --no-audit --no-fund
  [ -x "node_modules/$2" ] || {
    echo "npm left $2 out: it is not what package-lock.json says, or not for this machine"
    return 1
  }
  "node_modules/$2" --version
}

npm_arch() {
  case $(uname -m) in
    x86_64) echo x64 ;;
    aarch64) echo arm64 ;;
  esac
}
