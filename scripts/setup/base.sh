# The Debian base of the tests: an image's files as base.tar, and packages that a test installs on it, in later/.

set_up_debian_base() {
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  base=$cache/base-$suite-$(key "$root/images/debian/base" "$root/scripts/setup/base.sh")
  how=cached
  [ -d "$base" ] || {
    whole "$base" base 'bootstrapping a Debian image' bootstrap
    how="made by debootstrap ($took)"
  }
  ln -sfn "$base" "$toolchain/debian-base"
  way base "$suite" "$how" cached
}

# From the mirror of this machine, by Debian's signatures: without a keyring debootstrap would only warn, so it is told to check.
# In the image there is no mirror any more: tests give their own.
bootstrap() {
  files=$partial/files
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" 'Component: main' | head -n 1)
  # what debootstrap mounts ends with it, also if it is killed
  unshare --mount debootstrap --force-check-gpg --variant=minbase --include="$(base_packages | paste -sd , -)" \
    "$suite" "$files" ${mirror:+"$mirror"}
  chroot "$files" apt-get clean
  chroot "$files" apt-get update -q
  # shellcheck disable=SC2046 # names are words
  chroot "$files" apt-get install -q -y --no-install-recommends --download-only $(base_packages later)
  mkdir "$partial/later"
  mv "$files"/var/cache/apt/archives/*.deb "$partial/later/"
  rm -rf "$files"/var/lib/apt/lists/* "$files"/var/cache/apt/*.bin "$files/etc/apt/sources.list" "$files/etc/resolv.conf"
  tar --create --file="$partial/base.tar" --directory="$files" --numeric-owner --exclude='./dev/*' .
  rm -rf "$files"
}

# base_packages [later]
base_packages() {
  awk -v when="${1:-}" '!/^#/ && $2 == when {print $1}' "$root/images/debian/base"
}
