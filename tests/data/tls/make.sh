#!/bin/bash
# Makes the certificates of the TLS tests anew: an authority, and leaves of one key. Valid for a hundred years.
set -eu
cd "$(dirname "$0")"
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
key ca
key server
openssl req -x509 -new -key ca.key -days 36500 -subj "/CN=voip test authority" -out ca.pem
leaf() { # name, subject alternative names
    openssl req -new -key server.key -subj "/CN=$1" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 -out "$1.pem" \
        -extfile <(printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$2")
    rm -f "$1.csr"
}
leaf server DNS:localhost,DNS:peers.test,IP:127.0.0.1,IP:::1
leaf wrong DNS:wrong.example
leaf uri URI:sip:uri.example,URI:sip:user@other.example
openssl pkcs8 -topk8 -in server.key -out server-encrypted.key -passout pass:secret
cat server.pem server.key >server-bundle.pem
rm -f ca.key ca.srl
