"""The commands of `tlswhy`: options, help and wiring, one file a group."""
