#!/bin/sh
# nginx in a container, following its services: it is given the addresses that they have now, and again when replicas
# come or go (a reload lets running streams end). A service without an address answers 502 until it has one.
set -eu

FOLLOW_SECONDS=2
NAMES='${LISTEN} ${LOG_FOLDER} ${EXTRA_LOCATIONS} ${EDGE_TRUSTED_PROXIES} ${GATEWAY_SERVER} ${ACCOUNTS_SERVER} ${BILLING_SERVER}'
NOWHERE=127.0.0.1:9

# "gateway:8000" -> "172.18.0.4:8000; server 172.18.0.5:8000"
addresses_of() {
    found=$(getent ahostsv4 "${1%:*}" | awk '{ print $1 }' | sort -u | sed "s/\$/:${1##*:}/" | paste -sd' ' - | sed 's/ /; server /g')
    echo "${found:-$NOWHERE}"
}

# "10.0.0.1/32,10.1.0.0/16" -> lines of nginx's geo block
trusted() {
    echo "${EDGE_TRUSTED_PROXIES:-}" | tr ',' '\n' | sed -n 's/^ *\([^ ]\{1,\}\) *$/\1 1;/p' | paste -sd' ' -
}

render() {
    LISTEN='listen 8080;' LOG_FOLDER=/tmp/log EXTRA_LOCATIONS=/edge/extra \
    EDGE_TRUSTED_PROXIES="$(trusted)" \
    GATEWAY_SERVER="$(addresses_of "$GATEWAY_SERVER")" \
    ACCOUNTS_SERVER="$(addresses_of "$ACCOUNTS_SERVER")" \
    BILLING_SERVER="$(addresses_of "$BILLING_SERVER")" \
        envsubst "$NAMES" </edge/promptly.conf.template >"$1"
}

mkdir -p /tmp/log
ln -sf /dev/stdout /tmp/log/access.log
render /tmp/promptly.conf
nginx -e stderr -c /edge/edge.conf -g 'daemon off;' &
nginx=$!
trap 'kill -QUIT $nginx; wait $nginx; exit 0' TERM INT

while kill -0 $nginx 2>/dev/null; do
    sleep $FOLLOW_SECONDS &
    wait $! || true
    render /tmp/promptly.conf.new
    if ! cmp -s /tmp/promptly.conf.new /tmp/promptly.conf; then
        mv /tmp/promptly.conf.new /tmp/promptly.conf
        echo '{"event":"services_moved"}'
        nginx -e stderr -c /edge/edge.conf -s reload || true
    fi
done
wait $nginx
