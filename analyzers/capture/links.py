"""Names of the link layers, network layers and protocols that are counted, not read."""

from __future__ import annotations

LINK_TYPES = {
    # https://www.tcpdump.org/linktypes.html
    3: "AX.25",
    6: "Token Ring",
    7: "ARCNET",
    8: "SLIP",
    10: "FDDI",
    100: "ATM (RFC 1483)",
    105: "IEEE 802.11 (WiFi)",
    107: "Frame Relay",
    114: "LocalTalk",
    119: "IEEE 802.11 with a Prism header (WiFi)",
    122: "IP over Fibre Channel",
    127: "IEEE 802.11 with a radiotap header (WiFi)",
    138: "Apple IP over FireWire",
    139: "MTP2",
    143: "DOCSIS",
    144: "IrDA",
    163: "IEEE 802.11 with an AVS header (WiFi)",
    165: "BACnet MS/TP",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    192: "PPI (WiFi)",
    195: "IEEE 802.15.4",
    201: "Bluetooth HCI with direction",
    220: "USB (Linux, padded)",
    227: "CAN bus",
    230: "IEEE 802.15.4 without FCS",
    231: "D-Bus",
    242: "InfiniBand",
    247: "InfiniBand",
    249: "USB (USBPcap)",
    251: "Bluetooth Low Energy",
    252: "Wireshark upper PDU",
    253: "Linux netlink",
    254: "Bluetooth Linux monitor",
    272: "nRF Bluetooth sniffer",
    283: "IEEE 802.15.4 TAP",
}

IEEE_802_3 = 0x0600
"""Smaller values in an Ethernet header are lengths (IEEE 802.3 clause 3.2.6)."""

ETHERTYPES = {
    IEEE_802_3: "IEEE 802.3 without IP",
    0x0806: "ARP",
    0x0842: "Wake-on-LAN",
    0x22F0: "AVTP",
    0x22F3: "TRILL",
    0x6558: "Ethernet",
    0x8035: "RARP",
    0x809B: "AppleTalk",
    0x80F3: "AppleTalk ARP",
    0x8137: "IPX",
    0x880B: "PPP without IP",
    0x8808: "Ethernet flow control",
    0x8809: "Ethernet slow protocols",
    0x8863: "PPPoE discovery",
    0x887B: "HomePlug",
    0x888E: "EAPOL",
    0x8892: "PROFINET",
    0x88A4: "EtherCAT",
    0x88B8: "GOOSE",
    0x88CC: "LLDP",
    0x88E1: "HomePlug AV",
    0x88E5: "MACsec (encrypted)",
    0x88F7: "PTP",
    0x8906: "FCoE",
    0x8915: "RoCE",
    0x9000: "Ethernet loopback test",
}

IP_PROTOCOLS = {
    1: "ICMP",
    2: "IGMP",
    8: "EGP",
    17: "UDP",
    33: "DCCP",
    46: "RSVP",
    50: "ESP (encrypted IPsec)",
    58: "ICMPv6",
    59: "IPv6 without payload",
    88: "EIGRP",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    115: "L2TP",
    132: "SCTP",
    136: "UDP-Lite",
}


def _name(table: dict[int, str], number: int, kind: str, shown: str) -> str:
    known = table.get(number)
    return f"{known} ({kind} {shown})" if known else f"{kind} {shown}"


def link_name(number: int) -> str:
    """What to call a link type."""
    return _name(LINK_TYPES, number, "link type", str(number))


def ethertype_name(number: int) -> str:
    """What to call an EtherType."""
    return _name(ETHERTYPES, number, "EtherType", f"0x{number:04x}")


def protocol_name(number: int) -> str:
    """What to call an IP protocol."""
    return _name(IP_PROTOCOLS, number, "IP protocol", str(number))
