"""A paho-mqtt client as a program: publish one message with QoS 1 and say how it went.

Run as `python paho_publish.py HOST PORT` with `--cafile`, `--lowest`, `--highest` (TLS
versions) or `--plain`. Exit code 0 once the broker has acknowledged the message; 1 with
the reason on stderr.
"""

from __future__ import annotations

import argparse
import ssl
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Publisher:
    """One connection, one message."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.said: list[str] = []
        self.acknowledged = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="paho-interop")
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        if context is not None:
            self._client.tls_set_context(context)

    def run(self, host: str, port: int) -> bool:
        """Whether the broker acknowledged the message."""
        try:
            self._client.connect(host, port, keepalive=30)
        except OSError as error:
            self.said.append(f"connect: {type(error).__name__}: {error}")
            return False
        while self._client.loop(timeout=0.1) == mqtt.MQTT_ERR_SUCCESS:
            pass
        return self.acknowledged

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.said.append(f"connack: {reason}")
        client.publish("interop/greeting", b"hello", qos=1)

    def _on_publish(
        self,
        client: mqtt.Client,
        _userdata: object,
        _message: int,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.acknowledged = True
        client.disconnect()

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.said.append(f"disconnected: {reason}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--cafile")
    parser.add_argument("--lowest", default="1.2")
    parser.add_argument("--highest", default="1.3")
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    context = None
    if not options.plain:
        context = ssl.create_default_context(cafile=options.cafile)
        context.minimum_version = VERSIONS[options.lowest]
        context.maximum_version = VERSIONS[options.highest]
    publisher = Publisher(context)
    works = publisher.run(options.host, options.port)
    print(*publisher.said, sep="\n", file=sys.stderr)
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())
