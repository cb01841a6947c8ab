# The node script: the part of nginxws that runs on the balancer, as root or as the login user.
#
# It reads requests on stdin and answers in frames on stdout: "@KIND LENGTH\n", LENGTH bytes, "\n".
# One request is a word on a line, then "key value" lines, then "go". Requests: snapshot, read,
# transaction, recover, unlock, history, show, bye. Runs on dash, busybox ash and bash; needs no Python.
#
# State, below $STATE/<key of the main configuration file>, all 0700:
#   lock, owner     who holds the lock (flock; a link where there is no flock)
#   staging         names of temporary files that a transaction may leave beside the configuration
#   pending/        a transaction that has touched, or is about to touch, live files: its undo
#   revisions/N/    committed transactions, the newest $KEEP of them
#   rejected/       the last transaction that was undone
# Two renames decide: pending.tmp to pending (from here on there is something to undo), and pending
# to revisions/N or rejected (nothing to undo any more). Killed at any point, the next recovery finds
# by the files' own checksums what is left to do; doing it twice is harmless.
# shellcheck shell=sh

# The account's profile may have set or exported anything; the words below must mean what they say.
set +aefvxC; set -u
unset -f awk cat chmod command cp cut date dd echo find flock getconf grep head id kill ln ls mkdir mount mv od printf \
  ps read readlink realpath rm rmdir sed service sha256 sha256sum shasum sleep sort ss stat sudo sync systemctl tail \
  test timeout tr true umask uname uniq unshare wait wc
LC_ALL=C; export LC_ALL; unset IFS CDPATH ENV BASH_ENV GREP_OPTIONS POSIXLY_CORRECT COLUMNS
umask 077
trap '' PIPE # a client that went away must not end us half way: we go on, and restore
STOP=; trap 'STOP=HUP' HUP; trap 'STOP=INT' INT; trap 'STOP=TERM' TERM
NL='
'
ME=$(id -u)

# True when nobody but root, us, and whoever became root here by sudo may change what these names lead to.
# nobody_else STICKY NAME...: with STICKY, a folder like /tmp will do, for what is ours in it stays ours.
# What a user's group may write is his own affair (on many systems it is a group of one), what root's may isn't.
# Sets open_one, the first name that is open to others, with its mode and owners.
nobody_else() {
  sticky=$1; shift
  listing=$(ls -ldn -- "$@" 2>/dev/null) || { open_one='not all of them can be looked at'; return 1; }
  open_one=$(printf '%s\n' "$listing" | tell_open_one)
  [ -z "$open_one" ]
}
tell_open_one() {
  while IFS=' ' read -r mode _ keeper group name; do
    fine=yes
    case $mode in
      l*) ;;
      d????????[tT]*) fine=$sticky ;;
      d???????w*) fine= ;;
      d????w*) [ "$ME" != 0 ] || [ "$group" = 0 ] || fine= ;;
    esac
    case $keeper in 0 | "$ME" | "${SUDO_UID:-0}") ;; *) fine= ;; esac
    [ -n "$fine" ] || { printf '%s\n' "/${name#* /} ($mode, user $keeper, group $group)"; return; }
  done
}

# The system's programs first, then those of the account's own folders that nobody else could fill.
set -f; IFS=:
# shellcheck disable=SC2086 # split at colons on purpose
set -- ${PATH:-}
unset IFS; set +f
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
for dir in "$@"; do
  case :$PATH: in *":$dir:"*) continue ;; esac
  case $dir in /*) if nobody_else '' "$dir/."; then PATH=$PATH:$dir; fi ;; esac
done
set --
