# Whether each charge point is online is published, as a retained message that later subscribers get at once.
def presence($state): {publish: {topic: "presence/\(.charge_point.id)", payload: $state, retain: true}};

def connected: presence("online");

def disconnected: presence("offline");
