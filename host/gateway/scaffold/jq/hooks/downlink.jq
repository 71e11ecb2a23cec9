# Some commands are rejected: a back end that sends one gets a CALLERROR.
def downlink:
    if .type == "CALL" and .action == "UpdateFirmware"
    then {reject: {code: "SecurityError", description: "not allowed at this site"}}
    end;
