
# --- what to do ---

overwrite_drift=$(env | sed -n 's/^OVERWRITE_DRIFT=//p')
action=apply
case $# in
    0) ;;
    *) case $1 in apply | check | plan | test | reload | prove) action=$1; shift ;; esac ;;
esac
job=
[ $# -eq 0 ] || job=$1
