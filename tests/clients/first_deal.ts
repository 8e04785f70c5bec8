// The first deal through the types that openapi-typescript makes of the API document.
import createClient from "openapi-fetch";
import type { paths } from "./generated/api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const as = (customer: string) => ({ header: { "customer-id": customer } });

const offered = await client.POST("/v1/escrow/milestone/create", {
  params: as("ada"),
  body: {
    amount: 10000,
    purpose: "Website for a bakery",
    whoPays: "buyer",
    milestones: [
      { title: "Design", amount: 4000 },
      { title: "Launch", amount: 6000 },
    ],
  },
});
if (!offered.data) throw new Error(offered.error.message);
const deal = offered.data.data;

const paid = await client.POST("/v1/payment/escrow", {
  params: as("ben"),
  body: { gateway: "wallet", escrowDetails: { paymentToken: deal.paymentToken } },
});
if (!paid.data) throw new Error(paid.error.message);

for (const milestone of deal.milestones) {
  const confirmed = await client.POST("/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}", {
    params: { ...as("ben"), path: { escrowId: deal.id, milestoneId: milestone.id } },
  });
  if (!confirmed.data) throw new Error(confirmed.error.message);
  console.log(confirmed.data.data.status);
}

const refused = await client.GET("/v1/escrow/verify/{paymentToken}", {
  params: { path: { paymentToken: "PY_NOTHING0000" } },
});
if (!refused.error) throw new Error("a deal that nobody offered was found");
console.log(refused.error.code);
