# --- installing NGINX ---------------------------------------------------------------------------

# Sets MANAGER to a package manager that this system has; what was asked for by name must be there.
choose_manager() {
  case $MANAGER in
    apt) have apt-get ;;
    dnf | apk) have "$MANAGER" ;;
    auto)
      if have apt-get; then MANAGER=apt
      elif have dnf; then MANAGER=dnf
      elif have apk; then MANAGER=apk
      else return 1; fi ;;
    *) return 1 ;;
  esac
}

# Runs a program that may work silently for minutes, saying every second that we live. Its words: in $WORDS_FILE.
at_length() {
  # A daemon that it starts must not hold our streams, so its words go to a file. In no further shell (outside):
  # what we end is to be the program.
  { umask 022; exec "$@"; } </dev/null >>"$WORDS_FILE" 2>&1 9>&- &
  worker=$!
  countdown "$PATIENCE"
  while kill -0 "$worker" 2>/dev/null; do
    if expired || [ -n "$STOP" ]; then kill "$worker" 2>/dev/null; wait "$worker"; return 124; fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  wait "$worker"
}

run_manager() {
  case $MANAGER in
    apt)
      DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
      # Old lists may name packages that the mirror has no more; with no network what is cached may do.
      at_length apt-get -q -o DPkg::Lock::Timeout=60 update || :
      at_length apt-get -q -y -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold \
        --no-install-recommends install nginx ;;
    dnf) at_length dnf -q -y install nginx ;;
    apk) at_length apk add --no-cache nginx ;;
  esac
}

# Sets BIN VERSION CONF of the NGINX that is there, as locate does, without its state.
inspect() {
  PREFIX='' CONF='' PIDFILE=
  find_binary
  [ -n "$BIN" ] || return 1
  VERSION=$("$BIN" -V 2>&1 </dev/null | head -c "$MAX_WORDS")
  built_with prefix; BUILT_PREFIX=$built
  built_with conf-path; in_prefix "$built"; DEFAULT_CONF=$placed
  built_with pid-path; in_prefix "$built"; PIDFILE=$placed
  CONF=$DEFAULT_CONF
}

# Sets SITE to where a server block of its own goes: a folder whose *.conf files the main file includes.
find_site() {
  SITE=
  for folder in conf.d http.d; do
    folder=${CONF%/*}/$folder
    if [ -d "$folder" ] && grep -q "^[ 	]*include[ 	].*${folder##*/}/\*\.conf;" "$CONF"; then
      SITE=$folder/nginxws-site.conf
      return
    fi
  done
  return 1
}

site_text() {
  printf '# The server of %s, by nginxws env up; its routes come below. "nginxws env down" removes it.\n' "$SITE_NAME"
  printf 'server {\n    listen %s;\n' "$SITE_PORT"
  if [ -s /proc/net/if_inet6 ]; then printf '    listen [::]:%s;\n' "$SITE_PORT"; fi
  printf '    server_name %s;\n}\n' "$SITE_NAME"
}

# NGINX, started by what manages services here; itself where nothing does.
start_nginx() {
  if find_master; then return 0; fi
  if [ -d /run/systemd/system ] && have systemctl; then
    at_length systemctl enable --now nginx || :
  elif have rc-service; then
    at_length rc-update add nginx default || :
    at_length rc-service nginx start || :
  elif have service; then
    at_length service nginx start || :
  fi
  if await_master 5; then return 0; fi
  at_length "$BIN"
  await_master 10
}
await_master() {
  countdown "$1"
  until find_master; do
    if expired; then return 1; fi
    nap
  done
}

do_install() {
  if inspect; then emit_done ok present "$BIN"; return; fi
  [ "$ME" = 0 ] || { refuse not-root ''; return; }
  choose_manager || { refuse no-manager "$MANAGER"; return; }
  WORDS_FILE=$(mktemp) || { refuse no-room "${TMPDIR:-/tmp}"; return; }
  step install "$MANAGER"
  code=0; run_manager || code=$?
  install_rest
  rm -f -- "$WORDS_FILE"
}
install_rest() {
  inspect || { refuse failed "$MANAGER, exit status $code$NL$(last_words)"; return; }
  why=$(nginx -t 2>&1) || { refuse test "$why"; return; }
  step start "$MANAGER"
  start_nginx || { refuse not-started "$(last_words)"; return; }
  emit_done ok installed "$MANAGER$NL${VERSION%%"$NL"*}"
}
last_words() { tail -n 20 "$WORDS_FILE" | head -c "$MAX_WORDS"; }

sound_site() {
  case $SITE_NAME in '' | *[!A-Za-z0-9._:-]*) return 1 ;; esac
  is_number "$SITE_PORT"
}

# A server block for the environment's name, in a file of its own: written, tested, and reloaded.
do_add_site() {
  sound_site || { refuse site "$SITE_NAME:$SITE_PORT"; return; }
  inspect || { refuse no-nginx 'no nginx program found'; return; }
  find_site || { refuse no-folder "$CONF"; return; }
  [ ! -e "$SITE" ] || { refuse site-there "$SITE"; return; }
  step site "$SITE"
  if ! { site_text >"$SITE.nginxws" && chmod 644 "$SITE.nginxws" && flush "$SITE.nginxws" \
    && mv -- "$SITE.nginxws" "$SITE"; } 2>/dev/null; then
    rm -f -- "$SITE.nginxws"; refuse no-room "$SITE"; return
  fi
  if ! why=$(nginx -t 2>&1) || ! renewed; then
    rm -f -- "$SITE"; if find_master; then kill -HUP "$MASTER" 2>/dev/null; fi
    refuse test "$why"; return
  fi
  emit_done ok added "$SITE"
}

# The site file goes again, if it is as it was written; the workers that knew it are replaced.
do_drop_site() {
  sound_site || { refuse site "$SITE_NAME:$SITE_PORT"; return; }
  { inspect && find_site; } || { emit_done ok absent ''; return; }
  [ -f "$SITE" ] || { emit_done ok absent ''; return; }
  site_text >"$SITE.nginxws" 2>/dev/null || { rm -f -- "$SITE.nginxws"; refuse no-room "$SITE"; return; }
  same=; cmp -s -- "$SITE" "$SITE.nginxws" && same=yes
  rm -f -- "$SITE.nginxws"
  [ -n "$same" ] || { refuse edited "$SITE"; return; }
  step drop-site "$SITE"
  mv -f -- "$SITE" "$SITE.nginxws" 2>/dev/null || { refuse no-room "$SITE"; return; }
  if ! why=$(nginx -t 2>&1) || ! renewed; then
    mv -f -- "$SITE.nginxws" "$SITE"; if find_master; then kill -HUP "$MASTER" 2>/dev/null; fi
    refuse test "$why"; return
  fi
  rm -f -- "$SITE.nginxws"
  emit_done ok dropped "$SITE"
}

# A reload, proved: other workers serve under the same master, and none that did before.
renewed() {
  find_master || return 0
  look; before=$SERVING why='no new worker processes'
  kill -HUP "$MASTER" || return 1
  countdown "$RELOAD_TIMEOUT"
  while :; do
    look; left=
    for kid in $SERVING; do case $before in *" $kid "*) left=$kid ;; esac; done
    if [ "$SERVING" != ' ' ] && [ -z "$left" ]; then return 0; fi
    if expired; then return 1; fi
    nap
  done
}
