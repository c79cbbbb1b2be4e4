// The service's token: kept in this tab alone, and asked for when the service refuses to answer without.

const NAME = 'ldm3d-token';

export function token() {
  return sessionStorage.getItem(NAME) ?? '';
}

export function keepToken(text) {
  sessionStorage.setItem(NAME, text);
}

/** What a request sends so as to be let in. */
export function credentials() {
  return token() ? { Authorization: `Bearer ${token()}` } : {};
}
