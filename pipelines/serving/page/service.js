// Requests to the service that this page came from, and to no other.

import { eventsOf } from './events.js';
import { credentials } from './token.js';

const PATIENCE = 5000; // milliseconds
const BROKEN = 'The connection ended before the picture was done. Draw it again.';

/** What went wrong, in words for a person; `status` is that of HTTP, or 0. */
export class Refusal extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export async function models() {
  const { data } = await (await ask('v1/models')).json();
  return data;
}

/** Yields the events of a drawing, with their data as objects; whoever stops reading them cancels it. */
export async function* draw(body, signal) {
  const answer = await ask('v1/rgbd', {
    method: 'POST',
    headers: { Accept: 'text/event-stream', 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  try {
    for await (const { type, data } of eventsOf(answer.body)) {
      const facts = JSON.parse(data);
      if (type === 'error') throw new Refusal(facts.error?.message ?? 'The service could not draw it.');
      yield { type, ...facts };
    }
  } catch (error) {
    if (error instanceof TypeError) throw new Refusal(BROKEN); // what readers of a broken connection throw
    throw error;
  }
  throw new Refusal(BROKEN);
}

export async function cancel(id) {
  await ask(`v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE', signal: AbortSignal.timeout(PATIENCE) });
}

/** A file of a result, of the address that the service gave for it. */
export async function file(url, signal) {
  return ask(ownUrl(url), { signal, cache: 'default' });
}

/** Whether an address lets in those who send no token, as a frame does. */
export async function isOpen(url) {
  const enough = new AbortController();
  const { status } = await fetch(ownUrl(url), { signal: enough.signal });
  enough.abort();
  return status !== 401;
}

/** The address here: behind a proxy, the service may know itself by another name. */
export function ownUrl(url) {
  const { pathname, search } = new URL(url, document.baseURI);
  return new URL(pathname + search, document.baseURI).href;
}

async function ask(path, { headers, ...options } = {}) {
  let answer;
  try {
    const url = new URL(path, document.baseURI);
    answer = await fetch(url, { cache: 'no-store', ...options, headers: { ...headers, ...credentials() } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal('The service does not answer. See whether it still runs and can be reached, then try again.');
  }
  if (!answer.ok) throw new Refusal(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  const body = await answer.json().catch(() => null);
  const said = body?.error?.message ?? `The service answered ${answer.status} ${answer.statusText}`.trim();
  const wait = Number(answer.headers.get('Retry-After'));
  if (!(wait > 0)) return said;
  return `${said}${/[.!?]$/.test(said) ? '' : '.'} Try again in ${wait} ${wait === 1 ? 'second' : 'seconds'}.`;
}
