# All topics get a prefix.
def outbound: .topic |= "site/" + .;
