# Id tags become upper case, for charge points that send them as the card reader provides them.
def uplink:
    if .payload.idTag | type == "string" then .payload.idTag |= ascii_upcase end;
