# A rule for payloads beyond those of OCPP: a transaction is on a connector, not on 0, the charge point as a whole.
def check:
    select(.type == "CALL" and .action == "StartTransaction")
    | select(.payload.connectorId | type == "number" and . < 1)
    | {code: "PropertyConstraintViolation", description: "a transaction is on connector 1 or above"};
