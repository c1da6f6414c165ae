"""What the notifier reads from the environment. Without SMTP_HOST, mails become files in MAIL_DIR."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from services.notifier.adapters.letters_jinja import DEFAULT_SITE_NAME
from services.notifier.domain.letter import parse_sender
from services.notifier.domain.relay_faults import TlsMode
from shared.setting_values import AmqpUrl, PostgresUrl, SecretKeys
from shared.settings import ServiceSettings

IMPLICIT_TLS_PORT = 465
"""RFC 8314: there TLS begins with the connection."""


class NotifierSettings(ServiceSettings):
    """SMTP_TLS is chosen by host and port unless given: implicit on 465, none on this machine, else STARTTLS."""

    database_url: PostgresUrl
    amqp_url: AmqpUrl
    site_name: str = Field(default=DEFAULT_SITE_NAME, min_length=1, max_length=60, pattern=r"^[^\r\n<>\"]+$")
    """In subjects and letters, and the sender's name unless SMTP_FROM brings one."""
    sealing_private_key: SecretKeys
    """Several while one is rotated: what any of them opens is mailed."""
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: TlsMode | None = None
    smtp_user: str = ""
    smtp_password: SecretStr = Field(default=SecretStr(""), validate_default=True)
    smtp_from: str = Field(default="", validate_default=True)
    mail_dir: Path | None = Field(default=None, validate_default=True)

    @property
    def tls(self) -> TlsMode:
        return self.smtp_tls or usual_tls(self.smtp_host, self.smtp_port)

    @field_validator("smtp_password")
    @classmethod
    def _keep_password_from_the_wire(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        is_given = bool(password.get_secret_value())
        if is_given != bool(info.data.get("smtp_user")):
            raise ValueError("SMTP_USER and SMTP_PASSWORD go together")
        leaves_us = not is_this_machine(info.data.get("smtp_host", ""))
        if is_given and leaves_us and info.data.get("smtp_tls") is TlsMode.NONE:
            raise ValueError("it would cross the network in clear: set SMTP_TLS to starttls or implicit")
        return password

    @field_validator("smtp_from")
    @classmethod
    def _check_sender(cls, sender: str, info: ValidationInfo) -> str:
        if not sender and info.data.get("smtp_host"):
            raise ValueError("it is needed when SMTP_HOST is set, e.g. Promptly <keys@example.com>")
        if sender:
            parse_sender(sender, default_name="")
        return sender

    @field_validator("mail_dir")
    @classmethod
    def _have_a_way_out(cls, folder: Path | None, info: ValidationInfo) -> Path | None:
        if folder is None and not info.data.get("smtp_host"):
            raise ValueError("it is needed when SMTP_HOST is not set: mails must go somewhere")
        return folder


def usual_tls(host: str, port: int) -> TlsMode:
    if port == IMPLICIT_TLS_PORT:
        return TlsMode.IMPLICIT
    return TlsMode.NONE if is_this_machine(host) else TlsMode.STARTTLS


def is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
