def set_state($key; $value): set_state($key; $value; null);

# Of jq 1.7 and 1.8, absent from the standard filters.
def toarray: if isarray then . else [.] end;
def ascii: [.] | implode;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
