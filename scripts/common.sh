# What the scripts here share: where the tree is, and how they speak. Sourced, not run.
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/zennet

if [ -t 1 ]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' green='' red='' plain=''
fi

# Says what comes next, with the seconds since the script began.
step() { printf '%s[%4d s] %s%s\n' "$bold" "$SECONDS" "$*" "$plain"; }

# Says why it cannot go on, and stops.
die() {
  printf '%s%s: %s%s\n' "$red" "$(basename "$0")" "$*" "$plain" >&2
  exit 1
}
