# Charge points of some vendors may connect, and get their vendor as an attribute. The start of the identity names it.
def admit:
    .id as $id
    | [{"ACME-": "acme"} | to_entries[] | select(.key as $start | $id | startswith($start)) | .value]
    | if . == [] then {refuse: {status: 403, reason: "unknown vendor"}} else {accept: {vendor: .[0]}} end;
