#!/bin/sh
# nginx in a container, following its services: it is given the addresses that they have now, and again when replicas
# come or go (a reload lets running streams end). A service without an address answers 502 until it has one.
# With TLS_NAME it speaks HTTPS on 8443, with the certificate in /tls as it is now, and 8080 only leads there.
set -eu

FOLLOW_SECONDS=2
HTTP2_DIRECTIVE_SINCE=1.25.1
NAMES='${LISTEN} ${LOG_FOLDER} ${EXTRA_LOCATIONS} ${EDGE_TRUSTED_PROXIES} ${GATEWAY_SERVER} ${ACCOUNTS_SERVER} ${BILLING_SERVER}'
NOWHERE=127.0.0.1:9

# "gateway:8000" -> "172.18.0.4:8000 max_fails=0; server 172.18.0.5:8000 max_fails=0". A replica that once refused is not
# shunned for ten seconds: while all are replaced one by one, the only one that runs may be that one.
addresses_of() {
    found=$(getent ahostsv4 "${1%:*}" | awk '{ print $1 }' | sort -u | sed "s/\$/:${1##*:} max_fails=0/" | paste -sd'|' - | sed 's/|/; server /g')
    echo "${found:-$NOWHERE}"
}

# "10.0.0.1/32,10.1.0.0/16" -> lines of nginx's geo block
trusted() {
    echo "${EDGE_TRUSTED_PROXIES:-}" | tr ',' '\n' | sed -n 's/^ *\([^ ]\{1,\}\) *$/\1 1;/p' | paste -sd' ' -
}

# The folder of the certificate: what is mounted, else one made here that no client trusts.
certificate_folder() {
    if [ -r /tls/fullchain.pem ] && [ -r /tls/privkey.pem ]; then
        echo /tls
        return
    fi
    if [ ! -e /tmp/tls/fullchain.pem ]; then
        mkdir -p /tmp/tls
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj "/CN=$TLS_NAME" \
            -addext "subjectAltName=DNS:$TLS_NAME" -keyout /tmp/tls/privkey.pem -out /tmp/tls/fullchain.pem 2>/dev/null
        echo '{"event":"certificate_self_signed"}' >&2
    fi
    echo /tmp/tls
}

listen() {
    if [ -z "${TLS_NAME:-}" ]; then
        echo 'listen 8080;'
        return
    fi
    folder=$(certificate_folder)
    version=$(nginx -v 2>&1 | sed 's|.*nginx/\([0-9.]*\).*|\1|')
    if printf '%s\n' "$HTTP2_DIRECTIVE_SINCE" "$version" | sort -VC; then
        echo 'listen 8443 ssl; http2 on;'
    else
        echo 'listen 8443 ssl http2;'
    fi
    echo "ssl_certificate $folder/fullchain.pem; ssl_certificate_key $folder/privkey.pem;"
    echo "# $(cat "$folder/fullchain.pem" "$folder/privkey.pem" | cksum)" # another one is another configuration
}

render() {
    LISTEN="$(listen)" LOG_FOLDER=/tmp/log EXTRA_LOCATIONS=/edge/extra \
    EDGE_TRUSTED_PROXIES="$(trusted)" \
    GATEWAY_SERVER="$(addresses_of "$GATEWAY_SERVER")" \
    ACCOUNTS_SERVER="$(addresses_of "$ACCOUNTS_SERVER")" \
    BILLING_SERVER="$(addresses_of "$BILLING_SERVER")" \
        envsubst "$NAMES" </edge/promptly.conf.template >"$1"
}

redirect() {
    : >/tmp/redirect.conf
    [ -n "${TLS_NAME:-}" ] || return 0
    HTTPS_PORT="$(echo ":${HTTPS_PORT:-443}" | sed 's/^:443$//')" \
        envsubst '${HTTPS_PORT}' </edge/redirect.conf.template >/tmp/redirect.conf
}

mkdir -p /tmp/log
ln -sf /dev/stdout /tmp/log/access.log
redirect
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
