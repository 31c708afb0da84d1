# A virtual machine with Debian's own kernel, for tests of what the kernel here may lack (rbd, nbd): vmlinuz and initrd.

set_up_guest() {
  # An architecture is emulated on itself only: another one would be too slow.
  [ "$(uname -m)" = x86_64 ] || {
    way guest "" "skipped: only tried on x86_64"
    return
  }
  guest=$cache/guest-$suite-$(key "$root/images/guest/init" "$root/images/guest/answer" "$root/scripts/setup/guest.sh")
  how=cached
  [ -d "$guest" ] || {
    whole "$guest" guest "packing a virtual machine with Debian's kernel" pack_guest
    how="made of Debian's kernel ($took)"
  }
  ln -sfn "$guest" "$toolchain/guest"
  way guest "$(cat "$guest/version")" "$how" cached
}

pack_guest() {
  cd "$partial"
  download_kernel || {
    apt-get update -q
    download_kernel
  }
  dpkg-deb -x ./*.deb unpacked
  version=$(basename unpacked/lib/modules/*)
  mkdir -p files/bin files/proc files/sys files/dev files/run files/tmp files/etc
  cp "$(command -v busybox)" files/bin/
  for program in $(busybox --list); do [ -e "files/bin/$program" ] || ln -s busybox "files/bin/$program"; done
  cp "$root/images/guest/init" files/init
  cp "$root/images/guest/answer" files/bin/answer
  chmod +x files/init files/bin/answer
  for program in rbd rbd-nbd socat dash; do add_program "$(command -v "$program")"; done
  ln -sf dash files/bin/sh # busybox's own would take its applets before what PATH has
  for part in net/ceph net/core drivers/block drivers/net/virtio_net.ko drivers/net/net_failover.ko drivers/virtio \
    lib crypto arch/x86/crypto; do
    mkdir -p "files/lib/modules/$version/kernel/$(dirname "$part")"
    cp -r "unpacked/lib/modules/$version/kernel/$part" "files/lib/modules/$version/kernel/$part"
  done
  cp unpacked/lib/modules/"$version"/modules.builtin files/lib/modules/"$version"/
  busybox depmod -b files "$version"
  cp "unpacked/boot/vmlinuz-$version" vmlinuz
  (cd files && find . | busybox cpio -o -H newc | gzip -1) >initrd
  echo "${version%%-*}" >version
  rm -rf files unpacked ./*.deb
}

# What the kernel's own package depends on names the version.
download_kernel() {
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$kernel" ] && apt-get download -q "$kernel"
}

# A program with its libraries, each where it is here.
add_program() {
  cp -L --remove-destination "$1" files/bin/
  ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | while read -r library; do
    mkdir -p "files$(dirname "$library")"
    cp -L "$library" "files$library"
  done
}
