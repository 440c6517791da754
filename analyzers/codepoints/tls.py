"""The TLS registries of IANA, in IANA's spelling (state of mid-2025).

Values that IANA only lists as reserved keep the name under which they were deployed;
a "_RESERVED" suffix is left out, since nobody searches for it.
"""

from __future__ import annotations

from analyzers.codepoints._base import GREASE_16, GREASE_PSK_MODES, CodePoint


class ContentType(CodePoint, bits=8, lower=True):
    """What a record carries (RFC 8446 section 5.1)."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23
    HEARTBEAT = 24
    TLS12_CID = 25
    ACK = 26, "ACK"
    RETURN_ROUTABILITY_CHECK = 27


class HandshakeType(CodePoint, bits=8, lower=True):
    """What a handshake message is (RFC 8446 section 4)."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    NEW_SESSION_TICKET = 4
    END_OF_EARLY_DATA = 5
    HELLO_RETRY_REQUEST = 6
    """A message of its own only in the drafts of TLS 1.3; see RFC 8446 section 4.1.4."""
    ENCRYPTED_EXTENSIONS = 8
    REQUEST_CONNECTION_ID = 9
    NEW_CONNECTION_ID = 10
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    CLIENT_CERTIFICATE_REQUEST = 17
    FINISHED = 20
    CERTIFICATE_URL = 21
    CERTIFICATE_STATUS = 22
    SUPPLEMENTAL_DATA = 23
    KEY_UPDATE = 24
    COMPRESSED_CERTIFICATE = 25
    EKT_KEY = 26
    NEXT_PROTOCOL = 67
    MESSAGE_HASH = 254

    @property
    def struct(self) -> str:
        """The message's name as the RFCs write the structure: "ClientHello"."""
        if not self.is_known:
            return self.label
        if self is HandshakeType.CERTIFICATE_URL:
            return "CertificateURL"
        return self.name.title().replace("_", "")


class ProtocolVersion(CodePoint, grease=GREASE_16):
    """A version on the wire (RFC 8446 section 4.2.1)."""

    SSL_2_0 = 0x0002, "SSL 2.0"
    SSL_3_0 = 0x0300, "SSL 3.0"
    TLS_1_0 = 0x0301, "TLS 1.0"
    TLS_1_1 = 0x0302, "TLS 1.1"
    TLS_1_2 = 0x0303, "TLS 1.2"
    TLS_1_3 = 0x0304, "TLS 1.3"
    TLCP_1_1 = 0x0101, "TLCP 1.1"
    DTLS_1_0 = 0xFEFF, "DTLS 1.0"
    DTLS_1_2 = 0xFEFD, "DTLS 1.2"
    DTLS_1_3 = 0xFEFC, "DTLS 1.3"

    @classmethod
    def _spell(cls, value: int) -> str:
        if value >> 8 == 0x7F:
            return f"TLS 1.3 draft {value & 0xFF}"
        return super()._spell(value)


class AlertLevel(CodePoint, bits=8, lower=True):
    """How an alert means itself (RFC 8446 section 6)."""

    WARNING = 1
    FATAL = 2


class AlertDescription(CodePoint, bits=8, lower=True):
    """What an alert says (RFC 8446 section 6)."""

    CLOSE_NOTIFY = 0
    END_OF_EARLY_DATA = 1
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    DECRYPTION_FAILED = 21
    RECORD_OVERFLOW = 22
    DECOMPRESSION_FAILURE = 30
    HANDSHAKE_FAILURE = 40
    NO_CERTIFICATE = 41
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    TOO_MANY_CIDS_REQUESTED = 52
    EXPORT_RESTRICTION = 60
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114
    UNKNOWN_PSK_IDENTITY = 115
    CERTIFICATE_REQUIRED = 116
    GENERAL_ERROR = 117
    NO_APPLICATION_PROTOCOL = 120
    ECH_REQUIRED = 121


class ExtensionType(CodePoint, grease=GREASE_16, lower=True):
    """What an extension is (RFC 8446 section 4.2)."""

    SERVER_NAME = 0
    MAX_FRAGMENT_LENGTH = 1
    CLIENT_CERTIFICATE_URL = 2
    TRUSTED_CA_KEYS = 3
    TRUNCATED_HMAC = 4
    STATUS_REQUEST = 5
    USER_MAPPING = 6
    CLIENT_AUTHZ = 7
    SERVER_AUTHZ = 8
    CERT_TYPE = 9
    SUPPORTED_GROUPS = 10
    EC_POINT_FORMATS = 11
    SRP = 12
    SIGNATURE_ALGORITHMS = 13
    USE_SRTP = 14
    HEARTBEAT = 15
    APPLICATION_LAYER_PROTOCOL_NEGOTIATION = 16
    STATUS_REQUEST_V2 = 17
    SIGNED_CERTIFICATE_TIMESTAMP = 18
    CLIENT_CERTIFICATE_TYPE = 19
    SERVER_CERTIFICATE_TYPE = 20
    PADDING = 21
    ENCRYPT_THEN_MAC = 22
    EXTENDED_MASTER_SECRET = 23
    TOKEN_BINDING = 24
    CACHED_INFO = 25
    TLS_LTS = 26
    COMPRESS_CERTIFICATE = 27
    RECORD_SIZE_LIMIT = 28
    PWD_PROTECT = 29
    PWD_CLEAR = 30
    PASSWORD_SALT = 31
    TICKET_PINNING = 32
    TLS_CERT_WITH_EXTERN_PSK = 33
    DELEGATED_CREDENTIAL = 34
    SESSION_TICKET = 35
    TLMSP = 36, "TLMSP"
    TLMSP_PROXYING = 37, "TLMSP_proxying"
    TLMSP_DELEGATE = 38, "TLMSP_delegate"
    SUPPORTED_EKT_CIPHERS = 39
    PRE_SHARED_KEY = 41
    EARLY_DATA = 42
    SUPPORTED_VERSIONS = 43
    COOKIE = 44
    PSK_KEY_EXCHANGE_MODES = 45
    CERTIFICATE_AUTHORITIES = 47
    OID_FILTERS = 48
    POST_HANDSHAKE_AUTH = 49
    SIGNATURE_ALGORITHMS_CERT = 50
    KEY_SHARE = 51
    TRANSPARENCY_INFO = 52
    CONNECTION_ID_DEPRECATED = 53
    CONNECTION_ID = 54
    EXTERNAL_ID_HASH = 55
    EXTERNAL_SESSION_ID = 56
    QUIC_TRANSPORT_PARAMETERS = 57
    TICKET_REQUEST = 58
    DNSSEC_CHAIN = 59
    SEQUENCE_NUMBER_ENCRYPTION_ALGORITHMS = 60
    RRC = 61
    TLS_FLAGS = 62
    NEXT_PROTOCOL_NEGOTIATION = 13172
    APPLICATION_SETTINGS_OLD = 17513
    APPLICATION_SETTINGS = 17613
    CHANNEL_ID_OLD = 30031
    CHANNEL_ID = 30032
    TRUST_ANCHORS = 51764
    ECH_OUTER_EXTENSIONS = 64768
    ENCRYPTED_CLIENT_HELLO = 65037
    RENEGOTIATION_INFO = 65281
    QUIC_TRANSPORT_PARAMETERS_DRAFT = 65445
    ENCRYPTED_SERVER_NAME = 65486


class NamedGroup(CodePoint, grease=GREASE_16, lower=True):
    """A group for key exchange (RFC 8446 section 4.2.7, RFC 8422 section 5.1.1)."""

    SECT163K1 = 1
    SECT163R1 = 2
    SECT163R2 = 3
    SECT193R1 = 4
    SECT193R2 = 5
    SECT233K1 = 6
    SECT233R1 = 7
    SECT239K1 = 8
    SECT283K1 = 9
    SECT283R1 = 10
    SECT409K1 = 11
    SECT409R1 = 12
    SECT571K1 = 13
    SECT571R1 = 14
    SECP160K1 = 15
    SECP160R1 = 16
    SECP160R2 = 17
    SECP192K1 = 18
    SECP192R1 = 19
    SECP224K1 = 20
    SECP224R1 = 21
    SECP256K1 = 22
    SECP256R1 = 23
    SECP384R1 = 24
    SECP521R1 = 25
    BRAINPOOLP256R1 = 26, "brainpoolP256r1"
    BRAINPOOLP384R1 = 27, "brainpoolP384r1"
    BRAINPOOLP512R1 = 28, "brainpoolP512r1"
    X25519 = 29
    X448 = 30
    BRAINPOOLP256R1TLS13 = 31, "brainpoolP256r1tls13"
    BRAINPOOLP384R1TLS13 = 32, "brainpoolP384r1tls13"
    BRAINPOOLP512R1TLS13 = 33, "brainpoolP512r1tls13"
    GC256A = 34, "GC256A"
    GC256B = 35, "GC256B"
    GC256C = 36, "GC256C"
    GC256D = 37, "GC256D"
    GC512A = 38, "GC512A"
    GC512B = 39, "GC512B"
    GC512C = 40, "GC512C"
    CURVESM2 = 41, "curveSM2"
    FFDHE2048 = 0x0100
    FFDHE3072 = 0x0101
    FFDHE4096 = 0x0102
    FFDHE6144 = 0x0103
    FFDHE8192 = 0x0104
    MLKEM512 = 0x0200, "MLKEM512"
    MLKEM768 = 0x0201, "MLKEM768"
    MLKEM1024 = 0x0202, "MLKEM1024"
    SECP256R1MLKEM768 = 0x11EB, "SecP256r1MLKEM768"
    X25519MLKEM768 = 0x11EC, "X25519MLKEM768"
    SECP384R1MLKEM1024 = 0x11ED, "SecP384r1MLKEM1024"
    CURVESM2MLKEM768 = 0x11EE, "curveSM2MLKEM768"
    CECPQ2 = 0x4138, "CECPQ2"
    X25519KYBER768DRAFT00 = 0x6399, "X25519Kyber768Draft00"
    SECP256R1KYBER768DRAFT00 = 0x639A, "SecP256r1Kyber768Draft00"
    X25519KYBER512DRAFT00 = 0xFE30, "X25519Kyber512Draft00"
    X25519KYBER768DRAFT00_OLD = 0xFE31, "X25519Kyber768Draft00Old"
    P256KYBER768DRAFT00 = 0xFE32, "P256Kyber768Draft00"
    ARBITRARY_EXPLICIT_PRIME_CURVES = 0xFF01
    ARBITRARY_EXPLICIT_CHAR2_CURVES = 0xFF02


class SignatureScheme(CodePoint, grease=GREASE_16, lower=True):
    """How something is signed (RFC 8446 section 4.2.3).

    Pairs of hash and signature that only TLS 1.2 has (RFC 5246 section 7.4.1.4.1) are
    spelled on the pattern of the registry: rsa_pkcs1_sha224, dsa_sha1.
    """

    RSA_PKCS1_MD5 = 0x0101
    DSA_MD5 = 0x0102
    ECDSA_MD5 = 0x0103
    RSA_PKCS1_SHA1 = 0x0201
    DSA_SHA1 = 0x0202
    ECDSA_SHA1 = 0x0203
    RSA_PKCS1_SHA224 = 0x0301
    DSA_SHA224 = 0x0302
    ECDSA_SHA224 = 0x0303
    RSA_PKCS1_SHA256 = 0x0401
    DSA_SHA256 = 0x0402
    ECDSA_SECP256R1_SHA256 = 0x0403
    RSA_PKCS1_SHA256_LEGACY = 0x0420
    RSA_PKCS1_SHA384 = 0x0501
    DSA_SHA384 = 0x0502
    ECDSA_SECP384R1_SHA384 = 0x0503
    RSA_PKCS1_SHA384_LEGACY = 0x0520
    RSA_PKCS1_SHA512 = 0x0601
    DSA_SHA512 = 0x0602
    ECDSA_SECP521R1_SHA512 = 0x0603
    RSA_PKCS1_SHA512_LEGACY = 0x0620
    ECCSI_SHA256 = 0x0704
    ISO_IBS1 = 0x0705
    ISO_IBS2 = 0x0706
    ISO_CHINESE_IBS = 0x0707
    SM2SIG_SM3 = 0x0708
    GOSTR34102012_256A = 0x0709
    GOSTR34102012_256B = 0x070A
    GOSTR34102012_256C = 0x070B
    GOSTR34102012_256D = 0x070C
    GOSTR34102012_512A = 0x070D
    GOSTR34102012_512B = 0x070E
    GOSTR34102012_512C = 0x070F
    RSA_PSS_RSAE_SHA256 = 0x0804
    RSA_PSS_RSAE_SHA384 = 0x0805
    RSA_PSS_RSAE_SHA512 = 0x0806
    ED25519 = 0x0807
    ED448 = 0x0808
    RSA_PSS_PSS_SHA256 = 0x0809
    RSA_PSS_PSS_SHA384 = 0x080A
    RSA_PSS_PSS_SHA512 = 0x080B
    ECDSA_BRAINPOOLP256R1TLS13_SHA256 = 0x081A, "ecdsa_brainpoolP256r1tls13_sha256"
    ECDSA_BRAINPOOLP384R1TLS13_SHA384 = 0x081B, "ecdsa_brainpoolP384r1tls13_sha384"
    ECDSA_BRAINPOOLP512R1TLS13_SHA512 = 0x081C, "ecdsa_brainpoolP512r1tls13_sha512"
    GOSTR34102012_256_INTRINSIC = 0x0840, "gostr34102012_256"
    GOSTR34102012_512_INTRINSIC = 0x0841, "gostr34102012_512"
    MLDSA44 = 0x0904
    MLDSA65 = 0x0905
    MLDSA87 = 0x0906
    SLHDSA_SHA2_128S = 0x0911
    SLHDSA_SHA2_128F = 0x0912
    SLHDSA_SHA2_192S = 0x0913
    SLHDSA_SHA2_192F = 0x0914
    SLHDSA_SHA2_256S = 0x0915
    SLHDSA_SHA2_256F = 0x0916
    SLHDSA_SHAKE_128S = 0x0917
    SLHDSA_SHAKE_128F = 0x0918
    SLHDSA_SHAKE_192S = 0x0919
    SLHDSA_SHAKE_192F = 0x091A
    SLHDSA_SHAKE_256S = 0x091B
    SLHDSA_SHAKE_256F = 0x091C


class HashAlgorithm(CodePoint, bits=8, lower=True):
    """The first byte of a TLS 1.2 signature scheme (RFC 5246 section 7.4.1.4.1)."""

    NONE = 0
    MD5 = 1
    SHA1 = 2
    SHA224 = 3
    SHA256 = 4
    SHA384 = 5
    SHA512 = 6
    INTRINSIC = 8, "Intrinsic"


class SignatureAlgorithm(CodePoint, bits=8, lower=True):
    """The second byte of a TLS 1.2 signature scheme (RFC 5246 section 7.4.1.4.1)."""

    ANONYMOUS = 0
    RSA = 1
    DSA = 2
    ECDSA = 3
    ED25519 = 7
    ED448 = 8
    GOSTR34102012_256 = 64
    GOSTR34102012_512 = 65


class CompressionMethod(CodePoint, bits=8):
    """How records are compressed (RFC 3749)."""

    NULL = 0, "null"
    DEFLATE = 1
    LZS = 64


class PskKeyExchangeMode(CodePoint, bits=8, grease=GREASE_PSK_MODES, lower=True):
    """How a pre-shared key may be used (RFC 8446 section 4.2.9)."""

    PSK_KE = 0
    PSK_DHE_KE = 1


class ClientCertificateType(CodePoint, bits=8, lower=True):
    """What a TLS 1.2 CertificateRequest accepts (RFC 5246 section 7.4.4)."""

    RSA_SIGN = 1
    DSS_SIGN = 2
    RSA_FIXED_DH = 3
    DSS_FIXED_DH = 4
    RSA_EPHEMERAL_DH = 5
    DSS_EPHEMERAL_DH = 6
    FORTEZZA_DMS = 20
    ECDSA_SIGN = 64
    RSA_FIXED_ECDH = 65
    ECDSA_FIXED_ECDH = 66
    GOST_SIGN256 = 67
    GOST_SIGN512 = 68


class ECPointFormat(CodePoint, bits=8):
    """How points on a curve are written (RFC 8422 section 5.1.2)."""

    UNCOMPRESSED = 0, "uncompressed"
    ANSIX962_COMPRESSED_PRIME = 1, "ansiX962_compressed_prime"
    ANSIX962_COMPRESSED_CHAR2 = 2, "ansiX962_compressed_char2"


class ECCurveType(CodePoint, bits=8, lower=True):
    """How a ServerKeyExchange names its curve (RFC 8422 section 5.4)."""

    EXPLICIT_PRIME = 1
    EXPLICIT_CHAR2 = 2
    NAMED_CURVE = 3


class CertificateCompressionAlgorithm(CodePoint, lower=True):
    """How a CompressedCertificate is packed (RFC 8879)."""

    ZLIB = 1
    BROTLI = 2
    ZSTD = 3


class CertificateType(CodePoint, bits=8):
    """What a Certificate message holds (RFC 7250)."""

    X509 = 0
    OPENPGP = 1, "OpenPGP"
    RAW_PUBLIC_KEY = 2, "Raw Public Key"
    IEEE_1609DOT2 = 3, "1609Dot2"


class CertificateStatusType(CodePoint, bits=8, lower=True):
    """What a CertificateStatus holds (RFC 6066 section 8, RFC 6961)."""

    OCSP = 1
    OCSP_MULTI = 2
