// A fetch that notes what an SDK asked and what it was answered.

export function recorder(underlying = globalThis.fetch) {
  const calls = [];
  const fetch = async (url, options = {}) => {
    const call = { url: String(url), method: options.method ?? 'GET', headers: new Headers(options.headers), body: options.body };
    calls.push(call);
    const response = await underlying(url, options);
    call.status = response.status;
    const copy = response.clone();
    call.text = () => copy.text();
    return response;
  };
  return {
    fetch,
    calls,
    /** to returns the calls whose address ends in path. */
    to: path => calls.filter(call => new URL(call.url).pathname.endsWith(path)),
  };
}
