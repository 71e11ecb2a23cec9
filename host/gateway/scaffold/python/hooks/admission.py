# Charge points of some vendors may connect, and get their vendor as an attribute. The start of the identity names it.
config["admission"] = {"vendors": {"ACME-": "acme"}}


class Admission(exports.Admission):
    def admit(self, offer: types.Offer) -> types.Decision:
        for start, vendor in config["admission"]["vendors"].items():
            if offer.id.startswith(start):
                # Every other hook finds the attribute in `peer.attributes`.
                return types.Decision_Accept(types.Acceptance([("vendor", vendor)]))
        return types.Decision_Refuse(types.Rejection(403, "unknown vendor"))
