// One deal in two stages, from offer to paid-out. Needs a sandbox: escrowd --ephemeral
import { randomUUID } from 'node:crypto';

const url = process.env.ESCROWD_URL ?? 'http://127.0.0.1:8080';
const key = `sk_test_${randomUUID()}`; // a merchant of this run alone

// Sends a request as a customer and returns the reply's data.
async function call(method, path, customer, body) {
  const reply = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      'customer-id': customer,
      ...(body && { 'content-type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  const { message, data } = await reply.json();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${message}`);
  return data;
}

const balance = async (customer) => (await call('GET', '/v1/wallet', customer)).mainBalance;

const before = await balance('ada');

// Ada offers a shop fit-out in two stages.
const escrow = await call('POST', '/v1/escrow/milestone/create', 'ada', {
  amount: 10_000,
  purpose: 'Shop fit-out',
  whoPays: 'buyer',
  milestones: [{ title: 'Frame', amount: 4_000 }, { title: 'Finish', amount: 6_000 }],
});
console.log(`offered ${escrow.paymentToken}: ${escrow.amount} and a fee of ${escrow.fee}`);

// Ben pays once. The money waits.
const payment = await call('POST', '/v1/payment/escrow', 'ben', {
  reference: randomUUID(), // makes the payment safe to repeat
  escrowDetails: { escrowId: escrow.id },
});
console.log(`paid ${payment.amount}`);

// Ben confirms each stage, and Ada is paid for it.
for (const milestone of escrow.milestones) {
  const path = `/v1/escrow/milestone/confirm/${escrow.id}/${milestone.id}`;
  const { status } = await call('POST', path, 'ben');
  console.log(`confirmed ${milestone.title}: the deal is ${status}`);
}

console.log(`Ada earned ${(await balance('ada')) - before}`);
