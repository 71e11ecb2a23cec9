// Asks for what the overview shows while the page itself is read, which takes as long. The requests of `lib/api.js` take the answers.
if (/^#?\/?$/.test(location.hash)) {
  const token = sessionStorage.getItem("ocpp-gateway-token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const ask = (page) => [`/api/v1/${page}`, fetch(`/api/v1/${page}`, { headers, cache: "no-store" })];
  window.askedAhead ??= new Map(["me", "figures", "problems", "transforms"].map(ask));
  // The request that takes an answer sees its error.
  for (const answer of window.askedAhead.values()) answer.catch(() => {});
}
