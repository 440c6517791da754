"""What alerts say, what they usually mean, and what to look at first.

`says` is in the past tense and reads after "the client" or "the server" (habit of good
TLS libraries); `means` and `check` are whole sentences. An alert is only its sender's
opinion: rules look at the bytes before they believe it.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.codepoints.tls import AlertDescription as Alert


@dataclass(frozen=True, slots=True)
class AlertWords:
    """An alert in words."""

    says: str
    """Past tense, to be put after "the client" or "the server"; no full stop."""
    means: str
    """What is usually behind it."""
    check: str
    """The first thing to look at."""


_WORDS = {
    Alert.CLOSE_NOTIFY: AlertWords(
        "closed the connection in good order",
        "The sender has nothing more to send; this is not an error.",
        "Look at what came before it: during a handshake it can hide a refusal.",
    ),
    Alert.END_OF_EARLY_DATA: AlertWords(
        "ended its early data",
        "Only drafts of TLS 1.3 used this alert.",
        "Update the sender's TLS library: it speaks a draft.",
    ),
    Alert.UNEXPECTED_MESSAGE: AlertWords(
        "received a message that did not belong there",
        "The bytes were not TLS at all, or the two ends disagree about the next step.",
        "Check that both ends speak TLS on this port, and that no PROXY header comes first.",
    ),
    Alert.BAD_RECORD_MAC: AlertWords(
        "could not verify a protected record",
        "The two ends have different keys: a wrong pre-shared key, or bytes altered on the way.",
        "With PSK compare the keys on both ends; else look for a middlebox.",
    ),
    Alert.DECRYPTION_FAILED: AlertWords(
        "could not decrypt a record",
        "An old form of bad_record_mac: the two ends have different keys.",
        "With PSK compare the keys on both ends; else update the sender's TLS library.",
    ),
    Alert.RECORD_OVERFLOW: AlertWords(
        "received a record that was too long",
        "The peer ignored a limit, or the bytes were not TLS and their length was misread.",
        "Check the limits (max_fragment_length, buffer sizes) and that both ends speak TLS here.",
    ),
    Alert.DECOMPRESSION_FAILURE: AlertWords(
        "could not decompress a record",
        "TLS compression went wrong; hardly anything uses it today.",
        "Switch TLS compression off on both ends.",
    ),
    Alert.HANDSHAKE_FAILURE: AlertWords(
        "found no acceptable set of security parameters",
        "No common cipher suite, group, version or signature scheme, or a missing certificate.",
        "Compare what the client offered with what the server is set up to accept.",
    ),
    Alert.NO_CERTIFICATE: AlertWords(
        "had no certificate to send",
        "SSL 3.0's answer to a request for a client certificate.",
        "Set up a client certificate, and a version newer than SSL 3.0.",
    ),
    Alert.BAD_CERTIFICATE: AlertWords(
        "found the certificate was bad",
        "The certificate did not pass a check: signature, dates, name, key or usage.",
        "Examine the certificate itself; several libraries send this for every fault.",
    ),
    Alert.UNSUPPORTED_CERTIFICATE: AlertWords(
        "found the certificate was of a kind it does not support",
        "Wrong purpose (extended key usage), key type or signature algorithm.",
        "Check the certificate's extended key usage: serverAuth for brokers, clientAuth for "
        "clients.",
    ),
    Alert.CERTIFICATE_REVOKED: AlertWords(
        "found the certificate was revoked",
        "A revocation list or an OCSP answer names the certificate.",
        "Ask the CA for the certificate's status, and replace it.",
    ),
    Alert.CERTIFICATE_EXPIRED: AlertWords(
        "found the certificate was outside its validity",
        "The certificate, or one above it, has expired or is not valid yet; or a clock is wrong.",
        "Compare the dates of every certificate in the chain with the checking side's clock.",
    ),
    Alert.CERTIFICATE_UNKNOWN: AlertWords(
        "found the certificate was unacceptable for a reason it did not name",
        "The certificate was refused; some libraries (Java, SChannel) use this for every fault.",
        "Examine the certificate: issuer, name, dates and usage.",
    ),
    Alert.ILLEGAL_PARAMETER: AlertWords(
        "received a field whose value was not allowed",
        "The two ends disagree about the protocol, or a downgrade was noticed.",
        "Look at the message just before the alert, and update the older end.",
    ),
    Alert.UNKNOWN_CA: AlertWords(
        "found the certificate was not issued by a trusted CA",
        "The issuing CA is not in the trust store, an intermediate is missing, or the "
        "certificate is self-signed.",
        "Give the checking side the CA's certificate, and send the whole chain.",
    ),
    Alert.ACCESS_DENIED: AlertWords(
        "accepted the certificate but refused access",
        "The certificate is valid and its owner is not allowed in.",
        "Check the access rules of the side that sent the alert.",
    ),
    Alert.DECODE_ERROR: AlertWords(
        "could not read a message",
        "The message was malformed or cut short, or the peer closed in the middle.",
        "See whether the peer closed first: then this alert is only a reaction.",
    ),
    Alert.DECRYPT_ERROR: AlertWords(
        "found a signature or a Finished message was wrong",
        "A certificate does not match its private key, a PSK is wrong, or messages were altered.",
        "Check that certificate and private key belong together.",
    ),
    Alert.TOO_MANY_CIDS_REQUESTED: AlertWords(
        "was asked for too many connection ids",
        "Only DTLS 1.3 has this alert.",
        "Check that TLS, not DTLS, is meant here.",
    ),
    Alert.EXPORT_RESTRICTION: AlertWords(
        "found the key longer than export rules allowed",
        "Only software of the 1990s sends this.",
        "Update the sender's TLS library.",
    ),
    Alert.PROTOCOL_VERSION: AlertWords(
        "recognised the protocol version but does not support it",
        "The two ends have no TLS version in common; sent by a client after the version was "
        "agreed, it misleads.",
        "First see whether the chosen version was among those offered.",
    ),
    Alert.INSUFFICIENT_SECURITY: AlertWords(
        "required stronger security parameters than were offered",
        "No common cipher suite, group or signature scheme that its settings allow.",
        "Compare the offered cipher suites, groups and signature schemes with its settings.",
    ),
    Alert.INTERNAL_ERROR: AlertWords(
        "had a failure of its own",
        "A setting, a file or a callback on the sending side failed; the peer may be innocent.",
        "Read the log of the side that sent the alert.",
    ),
    Alert.INAPPROPRIATE_FALLBACK: AlertWords(
        "refused a retry with a lower version than both ends support",
        "The client retried with a lower version although the server supports a higher one.",
        "Find out why the first try failed; do not retry with lower versions.",
    ),
    Alert.USER_CANCELED: AlertWords(
        "gave up the handshake for a reason other than a protocol fault",
        "The application left; Java sends it before every close.",
        "Read the log of the side that sent the alert.",
    ),
    Alert.NO_RENEGOTIATION: AlertWords(
        "refused to renegotiate",
        "The peer asked for a new handshake within the connection.",
        "Do not rely on renegotiation: ask for the client certificate in the first handshake.",
    ),
    Alert.MISSING_EXTENSION: AlertWords(
        "missed an extension that the handshake needs",
        "The hello lacks what TLS 1.3 or the peer's settings require (key share, server name).",
        "Compare the extensions of the hello with what the sending side requires.",
    ),
    Alert.UNSUPPORTED_EXTENSION: AlertWords(
        "received an extension that it had not asked for",
        "The peer answered with an extension that was not in the hello.",
        "Update the peer, or look for a middlebox.",
    ),
    Alert.CERTIFICATE_UNOBTAINABLE: AlertWords(
        "could not fetch the certificate from the URL it was given",
        "The client_certificate_url extension was used.",
        "Send the certificate itself.",
    ),
    Alert.UNRECOGNIZED_NAME: AlertWords(
        "did not know the requested server name",
        "The name in the hello (SNI) is none that this server serves.",
        "Compare the server name in the hello with the names the server is set up for.",
    ),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: AlertWords(
        "found the stapled certificate status was invalid",
        "The OCSP answer that came with the certificate is old, unsigned or says revoked.",
        "Refresh the server's OCSP stapling, or switch it off.",
    ),
    Alert.BAD_CERTIFICATE_HASH_VALUE: AlertWords(
        "found the fetched certificate did not match its hash",
        "The client_certificate_url extension was used.",
        "Send the certificate itself.",
    ),
    Alert.UNKNOWN_PSK_IDENTITY: AlertWords(
        "did not know the pre-shared key identity",
        "The identity is not among the server's.",
        "Compare the identity in the client with the server's list.",
    ),
    Alert.CERTIFICATE_REQUIRED: AlertWords(
        "required a client certificate and got none",
        "The client sent an empty certificate list.",
        "Set a client certificate with its private key in the client.",
    ),
    Alert.GENERAL_ERROR: AlertWords(
        "had an error that it did not name",
        "The sender does not want to say more.",
        "Read the log of the side that sent the alert.",
    ),
    Alert.NO_APPLICATION_PROTOCOL: AlertWords(
        "shared no application protocol with the peer",
        "None of the ALPN names offered is one that the server accepts.",
        "Offer the ALPN name that the server expects, or none at all.",
    ),
    Alert.ECH_REQUIRED: AlertWords(
        "required Encrypted Client Hello",
        "The server's ECH keys have changed since the client learnt them.",
        "Let the client fetch the server's current ECH settings.",
    ),
}


def words(description: int) -> AlertWords:
    """An alert's words; for an unknown number, words that say so.

    Raises:
        ValueError: the number does not fit one byte.
    """
    alert = Alert(description)
    known = _WORDS.get(alert)
    if known:
        return known
    return AlertWords(
        f"sent an alert of unknown meaning ({alert.label})",
        "The number is not in IANA's registry: private use, or bytes that were not an alert.",
        "Read the log of the side that sent the alert.",
    )
