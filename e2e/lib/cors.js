// A fetch that keeps the rules which a browser keeps for a page from another origin: it asks for permission first, refuses what
// is not allowed, and hides headers that are not exposed. Node.js does none of this.

const page = 'https://shop.example';
const simpleMethods = ['GET', 'HEAD', 'POST'];
const simpleHeaders = ['accept', 'accept-language', 'content-language'];
const simpleTypes = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];
const readable = ['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma'];

const list = value => (value ?? '').split(',').map(item => item.trim().toLowerCase()).filter(Boolean);

const permitted = (response, what) => {
  const origin = response.headers.get('access-control-allow-origin');
  if (origin !== '*' && origin !== page) throw new TypeError(`CORS: ${what} has Access-Control-Allow-Origin ${origin}`);
};

async function preflight(fetch, url, method, names) {
  const headers = { Origin: page, 'Access-Control-Request-Method': method };
  if (names.length > 0) headers['Access-Control-Request-Headers'] = names.sort().join(',');
  const response = await fetch(url, { method: 'OPTIONS', headers });
  await response.text();
  permitted(response, `preflight of ${method} ${url}`);
  if (!response.ok) throw new TypeError(`CORS: preflight of ${method} ${url} has status ${response.status}`);
  const methods = list(response.headers.get('access-control-allow-methods'));
  if (!simpleMethods.includes(method) && !methods.includes(method.toLowerCase())) throw new TypeError(`CORS: ${method} is not allowed`);
  const allowed = list(response.headers.get('access-control-allow-headers'));
  for (const name of names) {
    if (!allowed.includes(name) && !allowed.includes('*')) throw new TypeError(`CORS: header ${name} is not allowed for ${method} ${url}`);
  }
}

/** crossOrigin wraps a fetch. */
export function crossOrigin(fetch = globalThis.fetch) {
  return async (url, options = {}) => {
    const method = options.method ?? 'GET';
    const headers = new Headers(options.headers);
    const names = [...headers.keys()].filter(name =>
      !simpleHeaders.includes(name) && !(name === 'content-type' && simpleTypes.includes(headers.get(name).split(';')[0].trim())));
    if (names.length > 0 || !simpleMethods.includes(method)) await preflight(fetch, url, method, names);
    headers.set('Origin', page);
    const response = await fetch(url, { ...options, headers });
    permitted(response, `${method} ${url}`);
    const exposed = list(response.headers.get('access-control-expose-headers'));
    const seen = [...response.headers].filter(([name]) => readable.includes(name) || exposed.includes(name) || exposed.includes('*'));
    const body = [204, 304].includes(response.status) ? null : await response.arrayBuffer();
    return new Response(body, { status: response.status, statusText: response.statusText, headers: seen });
  };
}
