// A webhook endpoint that verifies the signature of every event.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = process.env.SIGNING_KEY ?? 'sk_test_default';
const port = Number(process.env.PORT ?? 9000);

// Compares in constant time, over the raw bytes of the body.
function isGenuine(body, signature) {
  const expected = createHmac('sha512', key).update(body).digest();
  const given = Buffer.from(signature ?? '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const server = createServer(async (request, response) => {
  let body;
  try {
    body = Buffer.concat(await request.toArray());
  } catch {
    return; // the sender went away
  }
  if (!isGenuine(body, request.headers['x-payluk-signature'])) {
    response.writeHead(401).end();
    return;
  }
  response.writeHead(204).end(); // answer first, work later
  const { event, data } = JSON.parse(body);
  console.log(`${event} ${data.id} ${data.status}`);
});
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}/`));
