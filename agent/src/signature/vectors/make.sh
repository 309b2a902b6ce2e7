#!/bin/sh
# See Make.java.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
make() { # name bits subject from to issuer
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:"$2" -out "$1.key"
    openssl pkcs8 -topk8 -nocrypt -in "$1.key" -outform DER -out "$1.key.der"
    openssl req -new -key "$1.key" -utf8 -subj "$3" -out "$1.csr"
    if [ "$6" = self ]; then signed_by="-selfsign -keyfile $1.key"; else signed_by="-cert $6.crt -keyfile $6.key"; fi
    # shellcheck disable=SC2086
    openssl ca -batch -notext -utf8 -config ca.cnf -extensions "$([ "$6" = self ] && echo issuer || echo signer)" \
        $signed_by -in "$1.csr" -out "$1.crt" -startdate "$4" -enddate "$5" 2>/dev/null
}
cat > ca.cnf <<'C'
[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
string_mask = utf8only
[any]
C = optional
O = optional
CN = supplied
[issuer]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[signer]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
extendedKeyUsage = emailProtection
C
: > index.txt
make root 2048 "/C=VN/O=Invented CA/CN=Invented Root" 20260101000000Z 20360101000000Z self
make hospital 2048 "/C=VN/O=Bệnh viện Ví Dụ/CN=BV Ví Dụ" 20260101000000Z 20270101000000Z root
make other 2048 "/C=VN/O=Another Hospital/CN=Another" 20260101000000Z 20261101000000Z root
make expired 2048 "/C=VN/O=Bệnh viện Ví Dụ/CN=BV Ví Dụ cũ" 20250101000000Z 20260601000000Z root
make short 1024 "/C=VN/O=Bệnh viện Ví Dụ/CN=BV Ví Dụ ngắn" 20260101000000Z 20270101000000Z root
java "$here/Make.java" "$work" "$here"
cp root.crt "$here/root.pem"
cp other.crt "$here/other.pem"
