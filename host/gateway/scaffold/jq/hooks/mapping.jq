# Frames become MQTT messages without a change: OCPP-J text on one topic for each direction.
def message_types: {"2": "CALL", "3": "CALLRESULT", "4": "CALLERROR", "5": "CALLRESULTERROR", "6": "SEND"};

def subscriptions: "raw/down/\(.charge_point.id)";

def to_mqtt:
    . as $frame
    | (message_types | to_entries[] | select(.value == $frame.type) | .key | tonumber) as $number
    | if .error then [$number, .id, .error.code, .error.description, .payload]
      elif .type == "CALLRESULT" then [$number, .id, .payload]
      else [$number, .id, .action, .payload]
      end
    | {topic: "raw/up/\($frame.charge_point.id)", payload: .};

def from_mqtt:
    (.payload | if type == "array" then . else [] end) as $parts
    | message_types["\($parts[0])"] as $type
    | {type: $type, id: $parts[1], payload: $parts[-1]} as $frame
    | if ($parts[1] | type) != "string" or ($parts[-1] | type) != "object" then null
      elif $type == "CALLRESULT" and ($parts | length) == 3 then $frame
      elif ($type == "CALL" or $type == "SEND") and ($parts | length) == 4 then $frame + {action: $parts[2]}
      elif ($type == "CALLERROR" or $type == "CALLRESULTERROR") and ($parts | length) == 5
      then $frame + {error: {code: $parts[2], description: $parts[3]}}
      else null
      end
    | if . != null then .
      else
          {reject: {code: "FormationViolation", description: "not an OCPP-J message",
                    details: (if ($parts[1] | type) == "string" then {UniqueId: $parts[1]} else {} end)}}
      end;
