# Debian packages, by name and lowest version, from the lists in images/debian. Only what is missing is installed.

# set_up_debian LIST
set_up_debian() {
  wanted=$(missing_packages "$1")
  if [ -n "$wanted" ]; then
    # shellcheck disable=SC2086 # names are words
    slow debian "installing $(echo $wanted)" install_packages $wanted
    still=$(missing_packages "$1")
    # shellcheck disable=SC2086
    [ -z "$still" ] || fail "Debian's own packages are too old or missing: $(echo $still)" \
      "images/debian/$1 says which versions are needed; Debian 12 and newer have them"
    # shellcheck disable=SC2086
    way debian "" "$(echo $wanted) installed with apt-get ($took)" "images/debian/$1: all there"
  else
    way debian "" "images/debian/$1: all there"
  fi
}

missing_packages() {
  sed '/^#/d' "$root/images/debian/$1" | while read -r package lowest program; do
    has_package "$package" "$lowest" || { [ -n "$program" ] && command -v "$program" >/dev/null; } || echo "$package"
  done
}

has_package() {
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
  [ "${installed%% *}" = installed ] && dpkg --compare-versions "${installed#* }" ge "$2"
}

# With --no-remove, a conflict with what the machine has (another Docker, say) is an error and takes nothing away.
install_packages() {
  apt_install "$@" || {
    apt-get update -q
    apt_install "$@"
  }
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=300 "$@"
}
