# The node script: the part of nginxws that runs on the balancer, as root or as the login user.
#
# It reads requests on stdin and answers in frames on stdout: "@KIND LENGTH\n", LENGTH bytes, "\n".
# One request is a word on a line, then "key value" lines, then "go". Requests: snapshot, read,
# transaction, recover, unlock, bye. Runs on dash, busybox ash and bash; needs no Python.
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

set -u
LC_ALL=C; export LC_ALL; unset CDPATH
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin; export PATH
umask 077
trap '' PIPE # a client that went away must not end us half way: we go on, and restore
STOP=; trap 'STOP=HUP' HUP; trap 'STOP=INT' INT; trap 'STOP=TERM' TERM
NL='
'
