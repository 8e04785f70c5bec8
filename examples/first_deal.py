"""One deal in two stages, from offer to paid-out. Needs a sandbox: escrowd --ephemeral"""

import json
import os
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("ESCROWD_URL", "http://127.0.0.1:8080")
KEY = f"sk_test_{uuid.uuid4()}"  # a merchant of this run alone


def call(method, path, customer, body=None):
    """Sends a request as a customer and returns the reply's data."""
    headers = {
        "authorization": f"Bearer {KEY}",
        "customer-id": customer,
        "content-type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)["data"]
    except urllib.error.HTTPError as refusal:
        message = json.load(refusal)["message"]
        raise SystemExit(f"{method} {path}: {refusal.code} {message}") from None


def balance(customer):
    return call("GET", "/v1/wallet", customer)["mainBalance"]


before = balance("ada")

# Ada offers a shop fit-out in two stages.
escrow = call("POST", "/v1/escrow/milestone/create", "ada", {
    "amount": 10_000,
    "purpose": "Shop fit-out",
    "whoPays": "buyer",
    "milestones": [{"title": "Frame", "amount": 4_000}, {"title": "Finish", "amount": 6_000}],
})
print(f"offered {escrow['paymentToken']}: {escrow['amount']} and a fee of {escrow['fee']}")

# Ben pays once. The money waits.
payment = call("POST", "/v1/payment/escrow", "ben", {
    "reference": str(uuid.uuid4()),  # makes the payment safe to repeat
    "escrowDetails": {"escrowId": escrow["id"]},
})
print(f"paid {payment['amount']}")

# Ben confirms each stage, and Ada is paid for it.
for milestone in escrow["milestones"]:
    path = f"/v1/escrow/milestone/confirm/{escrow['id']}/{milestone['id']}"
    status = call("POST", path, "ben")["status"]
    print(f"confirmed {milestone['title']}: the deal is {status}")

print(f"Ada earned {balance('ada') - before}")
