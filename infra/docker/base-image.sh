#!/usr/bin/env bash
# Builds watershed/base:local from Debian packages, the pinned Node and npm: what node:26-bookworm-slim is, for places
# without a registry. Keeps the image while nothing that goes into it has changed.
# DEBIAN_MIRROR: where the packages come from.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=watershed/base:local
suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
node=node_modules/node/bin/node
label=watershed.inputs
authorities=/usr/local/share/ca-certificates # those that this machine trusts beside Debian's

fail() { # fail LINE: what is wrong and how to mend it
  echo "base-image: $1" >&2
  exit 2
}

[ -x "$node" ] || fail "the pinned Node is missing: run npm ci"
command -v docker >/dev/null || fail "there is no docker command: install a Docker engine (Debian: apt-get install docker.io)"
docker version >/dev/null 2>&1 || fail "no Docker engine answers: start it (systemctl start docker, or dockerd)"
npm=$(dirname "$(dirname "$(readlink -f "${npm_execpath:-$(command -v npm || true)}")")")
[ -f "$npm/bin/npm-cli.js" ] || fail "there is no npm here: install it beside Node"

inputs=$({
  cat "$0"
  echo "$mirror $security"
  "$node" --version
  cat "$npm/package.json"
  find "$authorities" -name '*.crt' -exec cat {} + 2>/dev/null || true
} | sha256sum | cut -d ' ' -f 1)
if [ "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null)" = "$inputs" ]; then
  echo "$image: up to date"
  exit 0
fi

[ "$(id -u)" = 0 ] || fail "debootstrap needs root: run this as root, or use --base registry"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

started=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
# libatomic1: Node is linked to it.
debootstrap --variant=minbase --include=ca-certificates,libatomic1 "$suite" "$root" "$mirror" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  fail "debootstrap could not get Debian from $mirror: set DEBIAN_MIRROR"
}

cat >"$root/etc/apt/sources.list" <<EOF
deb $mirror $suite main
deb $mirror $suite-updates main
deb $security $suite-security main
EOF
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'EOF'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
EOF
rm -rf "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
if compgen -G "$authorities/*.crt" >/dev/null; then
  cp "$authorities"/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null 2>&1
fi

install -m 0755 "$node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -r "$npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"

tar -C "$root" --numeric-owner -c . | docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'CMD ["node"]' \
  --change "LABEL $label=$inputs" \
  - "$image" >/dev/null
echo "$image: built in $((SECONDS - started)) s ($("$node" --version) on Debian $suite)"
