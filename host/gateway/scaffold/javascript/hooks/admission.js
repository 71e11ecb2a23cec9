// Charge points of some vendors may connect, and get their vendor as an attribute. The start of the identity names it.
config.admission = { vendors: { "ACME-": "acme" } };

export const admission = {
  admit(offer) {
    const known = Object.entries(config.admission.vendors).find(([start]) => offer.id.startsWith(start));
    if (!known) return { tag: "refuse", val: { status: 403, reason: "unknown vendor" } };
    // Every other hook finds the attribute in `peer.attributes`.
    return { tag: "accept", val: { attributes: [["vendor", known[1]]] } };
  },
};
