// Programs to start from, each with a message that it changes.

export const SAMPLES = [
  {
    name: "Correct a misspelt status",
    example: "Quirks: A misspelt status",
    program: `def uplink:
    if .action == "StatusNotification" and .payload.status == "Avaliable"
    then .payload.status = "Available"
    else . end;
`,
  },
  {
    name: "Energy in watt-hours",
    example: "Quirks: Kilowatt-hours",
    program: `def uplink:
    if .action == "MeterValues"
    then .payload.meterValue[].sampledValue[] |=
        if .unit == "kWh"
        then .value |= (tonumber * 1000 | round | tostring) | .unit = "Wh"
        else . end
    else . end;
`,
  },
  {
    name: "Give timestamps a zone",
    example: "Quirks: A timestamp without zone",
    program: `# Wherever it is in the payload.
def uplink:
    .payload |= walk(
        if type == "object" and (.timestamp | type == "string" and (test("(Z|[+-][0-9]{2}:?[0-9]{2})$") | not))
        then .timestamp += "Z"
        else . end);
`,
  },
  {
    name: "One spelling of id tags",
    example: "Quirks: An id tag with spaces",
    program: `def uplink:
    if .payload.idTag then .payload.idTag |= (trim | ascii_upcase) else . end;
`,
  },
  {
    name: "Answer Heartbeats in the gateway",
    example: "OCPP 1.6, from a charge point: Heartbeat",
    program: `def uplink:
    if .type == "CALL" and .action == "Heartbeat"
    then {reply: {currentTime: (now | todate)}}
    else . end;
`,
  },
  {
    name: "Publish a DataTransfer on a topic of its own",
    example: "OCPP 1.6, from a charge point: DataTransfer",
    program: `def uplink:
    if .type == "CALL" and .action == "DataTransfer"
    then {publish: {topic: "vendor/\\(.charge_point.id)/\\(.payload.vendorId)", payload: .payload.data}},
         {reply: {status: "Accepted"}}
    else . end;
`,
  },
  {
    name: "Refuse an action of back ends",
    example: "OCPP 1.6, from a back end: UpdateFirmware",
    program: `def downlink:
    if .type == "CALL" and .action == "UpdateFirmware"
    then {reject: {code: "SecurityError", description: "firmware is updated on site"}}
    else . end;
`,
  },
];
