"""tlswhy's application: relay, command line, lab."""
