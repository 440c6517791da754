"""X.509 certificates read without a cryptographic library (RFC 5280).

The reader is our own because a diagnosis must show what a certificate says even where
it breaks the standard, which is exactly where strict libraries refuse to read it.
"""
