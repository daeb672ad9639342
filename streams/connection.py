"""How to reach the Kafka cluster: one definition, spelled for every client library in use."""

import ssl
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from eddy.schemas.errors import ConfigError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the brokers are and how to authenticate.

    Attributes
    ----------
    bootstrap_servers : str
        ``host:port[,host:port]``.
    security_protocol : str
        Whether the connection is encrypted and how Eddy says who it is.
    sasl_mechanism : str, optional
        Needed where the protocol begins with SASL.
    sasl_username, sasl_password : str, optional
        Of PLAIN and SCRAM; better give the password as a file.
    sasl_password_file : str, optional
        A file that holds the password; read by whoever loads the settings.
    ssl_ca_location : str, optional
        File of the authorities that sign the brokers' certificates.
    ssl_certificate_location, ssl_key_location, ssl_key_password : str, optional
        Files of Eddy's own certificate and its key, and the key's password.
    properties : dict
        Further librdkafka properties, handed to every librdkafka client unchanged.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_password_file: str | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    properties: dict[str, str] = field(default_factory=dict)

    def librdkafka(self, **extra: Any) -> dict[str, Any]:
        """Return the settings of a librdkafka client; `extra` keys spell dots as underscores."""
        named = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
            "ssl.key.password": self.ssl_key_password,
        }
        settings = {name: value for name, value in named.items() if value is not None}
        dotted = {name.replace("_", "."): value for name, value in extra.items()}
        return {**settings, **self.properties, **dotted}

    def faust_broker(self) -> str:
        """Return the broker URLs as Faust spells them."""
        return ";".join(f"kafka://{server.strip()}" for server in self.bootstrap_servers.split(","))

    def faust_credentials(self) -> Any:
        """Return Faust's credentials object, or None for plain text.

        Raises
        ------
        ConfigError
            Where the mechanism is not one that Faust's client speaks.
        """
        if self.security_protocol == "PLAINTEXT":
            return None
        from faust.auth import (  # noqa: PLC0415 - half a second that most commands can do without
            GSSAPICredentials,
            SASLCredentials,
            SSLCredentials,
        )

        context = self._ssl_context() if self.security_protocol.endswith("SSL") else None
        if self.security_protocol == "SSL":
            return SSLCredentials(context=context)
        if self.sasl_mechanism == "GSSAPI":
            return GSSAPICredentials(ssl_context=context)
        if self.sasl_mechanism is None:
            raise ConfigError("kafka.sasl_mechanism: needed with a SASL security_protocol")
        return SASLCredentials(
            username=self.sasl_username,
            password=self.sasl_password,
            ssl_context=context,
            mechanism=self.sasl_mechanism,
        )

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca_location)
            if self.ssl_certificate_location:
                context.load_cert_chain(
                    self.ssl_certificate_location, self.ssl_key_location, self.ssl_key_password
                )
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"kafka.ssl_ca_location, ssl_certificate_location or ssl_key_location: {error}"
            ) from error
        return context
