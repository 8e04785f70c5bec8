#!/bin/sh
# One deal in two stages, from offer to paid-out. Needs a sandbox: escrowd --ephemeral
set -eu

url=${ESCROWD_URL:-http://127.0.0.1:8080}
key="sk_test_$(date +%s)_$$" # a merchant of this run alone

# Sends a request as a customer and prints the reply: METHOD PATH CUSTOMER [BODY]
call() {
    curl -s --fail-with-body -X "$1" "$url$2" -H "authorization: Bearer $key" -H "customer-id: $3" \
        ${4:+-H "content-type: application/json" -d "$4"}
}

# Prints the values of a field in a reply, one to a line: FIELD
field() {
    tr ',' '\n' | sed -n "s/.*\"$1\":\"\{0,1\}\([^\"}]*\).*/\1/p"
}

before=$(call GET /v1/wallet ada | field mainBalance)

# Ada offers a shop fit-out in two stages. The ids are the escrow's and its milestones'.
escrow=$(call POST /v1/escrow/milestone/create ada '{
    "amount": 10000, "purpose": "Shop fit-out", "whoPays": "buyer",
    "milestones": [{"title": "Frame", "amount": 4000}, {"title": "Finish", "amount": 6000}]
}')
id=$(echo "$escrow" | field id | sed -n 1p)
frame=$(echo "$escrow" | field id | sed -n 2p)
finish=$(echo "$escrow" | field id | sed -n 3p)
echo "offered $(echo "$escrow" | field paymentToken): 10000 and a fee of $(echo "$escrow" | field fee)"

# Ben pays once. The money waits.
payment=$(call POST /v1/payment/escrow ben "{\"escrowDetails\": {\"escrowId\": \"$id\"}}")
echo "paid $(echo "$payment" | field amount | sed -n 1p)"

# Ben confirms each stage, and Ada is paid for it. The first status of a reply is its HTTP
# status, the second the escrow's.
status=$(call POST "/v1/escrow/milestone/confirm/$id/$frame" ben | field status | sed -n 2p)
echo "confirmed Frame: the deal is $status"
status=$(call POST "/v1/escrow/milestone/confirm/$id/$finish" ben | field status | sed -n 2p)
echo "confirmed Finish: the deal is $status"

after=$(call GET /v1/wallet ada | field mainBalance)
echo "Ada earned $((after - before))"
