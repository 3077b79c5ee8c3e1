# Shared by the scripts of this folder; sourced, not run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$ROOT/.ci/env.sh"
CACHE=$VERDICT_CACHE
TOOLS=$CACHE/tools
mkdir -p "$TOOLS/bin"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: FAILED: %s\n' "$*" >&2; exit 1; }

# Runs a command quietly; on failure shows the end of what it said.
quiet() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "$what: \`$*\`"
  fi
  rm -f "$log"
}

# One set-up at a time per machine and user: two clones must not write one cache at once.
lock_cache() {
  exec 9>"$CACHE/setup.lock"
  flock -w 1800 9 || die "another set-up has held $CACHE/setup.lock for half an hour"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else die "\`$*\` needs root or sudo"; fi
}

# Installs the Debian packages that are missing, and asks the network nothing when none is.
debian() {
  local missing=() p
  command -v dpkg-query >/dev/null || { say "not a Debian system: please have $* or their equivalents"; return; }
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return
  quiet "apt-get update" as_root apt-get update -qq
  quiet "installing ${missing[*]}" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  say "installed ${missing[*]}"
}

need() { command -v "$1" >/dev/null || die "\`$1\` is not on the PATH; $2"; }
