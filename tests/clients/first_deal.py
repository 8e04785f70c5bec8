"""The first deal through the client that openapi-python-client generates."""

import sys

from escrowd_client import Client
from escrowd_client.api.contract import (
    get_escrow_verify_by_payment_token,
    post_escrow_milestone_confirm_by_escrow_id_by_milestone_id,
    post_escrow_milestone_create,
    post_payment_escrow,
)
from escrowd_client.models import PostEscrowMilestoneCreateBody, PostPaymentEscrowBody, Refusal

client = Client(base_url=sys.argv[1])

offer = PostEscrowMilestoneCreateBody.from_dict(
    {
        "amount": 10000,
        "purpose": "Website for a bakery",
        "whoPays": "buyer",
        "milestones": [{"title": "Design", "amount": 4000}, {"title": "Launch", "amount": 6000}],
    }
)
offered = post_escrow_milestone_create.sync(client=client, customer_id="ada", body=offer)
assert not isinstance(offered, Refusal), offered
deal = offered.data

payment = PostPaymentEscrowBody.from_dict(
    {"gateway": "wallet", "escrowDetails": {"paymentToken": deal.payment_token}}
)
paid = post_payment_escrow.sync(client=client, customer_id="ben", body=payment)
assert not isinstance(paid, Refusal), paid

for milestone in deal.milestones:
    confirmed = post_escrow_milestone_confirm_by_escrow_id_by_milestone_id.sync(
        deal.id, milestone.id, client=client, customer_id="ben"
    )
    assert not isinstance(confirmed, Refusal), confirmed
    print(confirmed.data.status)

refused = get_escrow_verify_by_payment_token.sync("PY_NOTHING0000", client=client)
assert isinstance(refused, Refusal), refused
print(refused.code)
