"""The real proxy between real clients and real brokers, all on loopback."""
