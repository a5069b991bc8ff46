#!/usr/bin/env bash
# Do the commands of the README work on a machine that has nothing? Makes a bare Debian, installs there what the README
# says a machine must have, clones the last commit, and runs the quick start as --smoke, and the tests. Needs root,
# debootstrap, about 20 GB, and half an hour to an hour; it is not a part of CI.
#   tests/stress/fresh_machine.sh trixie                       Debian's name of a release: bookworm (Python 3.11), trixie (3.13), testing
#   tests/stress/fresh_machine.sh trixie tools/setup_env.sh    runs that instead of the two commands
#   FOLDER=/mnt/large tests/stress/fresh_machine.sh            where to make it (default: /var/tmp); KEEP=1 leaves it there
set -euo pipefail
release=${1:-trixie}
command=${2:-'bash tools/quickstart.sh --smoke && bash tools/run_tests.sh'}
project=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "only root can make a bare root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt install debootstrap" >&2; exit 1; }
# mounts in a namespace of its own are gone with this script, and cannot be deleted into
[ -n "${FRESH_MACHINE:-}" ] || FRESH_MACHINE=1 exec unshare --mount --propagation private bash "$0" "$@"

root=$(mktemp -d "${FOLDER:-/var/tmp}/fresh-$release-XXXX")
cleanup() {
    for folder in proc sys dev; do umount --recursive --lazy "$root/$folder" 2>/dev/null || true; done
    if [ -n "${KEEP:-}" ]; then echo "kept: $root"; else rm -rf --one-file-system "$root"; fi
}
trap cleanup EXIT
step() { echo "fresh machine: $* ($SECONDS s)"; }

step "a bare $release"
debootstrap --variant=minbase "$release" "$root" >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; exit 1; }
rm "$root.log"
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
# a network that this machine reaches only through a proxy, or with certificates of its own, is reached in the same way
bare=(env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE PIP_CERT; do
    [ -z "${!name:-}" ] || bare+=("$name=${!name}")
done

packages=$(grep -m 1 -oE 'apt install [a-z0-9+. -]+' "$project/README.md" | cut -d' ' -f3-)
step "installing what the README asks for: $packages"
chroot "$root" "${bare[@]}" DEBIAN_FRONTEND=noninteractive sh -ec \
    "apt-get -o Acquire::Check-Valid-Until=false update -qq && apt-get install -y -qq --no-install-recommends ca-certificates $packages" >"$root/apt.log" 2>&1 \
    || { tail -n 5 "$root/apt.log" >&2; exit 1; }
for name in SSL_CERT_FILE PIP_CERT; do
    [ -z "${!name:-}" ] || install -D "${!name}" "$root${!name}"
done
git clone -q "$project" "$root/opt/mmfmkt"
step "$(chroot "$root" "${bare[@]}" python3 --version): $command"
chroot "$root" "${bare[@]}" bash -ec "cd /opt/mmfmkt; $command"
step "done; $(du -shx "$root" | cut -f1)"
