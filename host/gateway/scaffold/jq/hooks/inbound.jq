# Messages of a back end are taken out of their envelope: {"sent":"…","message":{"MessageTypeId":2,…}}
def inbound:
    if .payload | type == "object" and has("message") then .payload |= .message end;
