"""What this system is to be: the environment over .env over defaults. The services check their own values.

LOCAL_DIR and PORT tell systems on one machine apart; every name in .env.template may be given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.env_file import read_env_file
from deploy.local.failures import LocalFailure

ROOT = Path(__file__).parents[2]
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
ANY_ADDRESS = "0.0.0.0"
# Docker compose reads its own settings from the same file.
COMPOSE_PREFIX = "COMPOSE_"


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """`given` holds the settings with a value, by their names in .env.template."""

    root: Path
    local_dir: Path
    addresses: tuple[str, ...]
    port: int
    base_url: str
    given: Mapping[str, str]

    @property
    def edge_url(self) -> str:
        """Where the edge is reached from this machine, whatever its public name."""
        return f"http://{reachable(self.addresses[0])}:{self.port}"

    @property
    def runs_own_model(self) -> bool:
        return "LLAMA_BASE_URL" not in self.given

    @property
    def runs_mailbox(self) -> bool:
        return "SMTP_HOST" not in self.given and self.given.get("LOCAL_FAKES") == "1"

    @property
    def faked_providers(self) -> tuple[str, ...]:
        """Payment providers, by the first word of their settings, that a stand-in is run for."""
        if self.given.get("LOCAL_FAKES") != "1":
            return ()
        given = {name.split("_")[0] for name in self.given}
        return tuple(name for name in ("STRIPE", "BTCPAY") if name not in given)

    @property
    def mails(self) -> Path:
        return self.root / (self.given.get("MAIL_DIR") or self.local_dir / "mail")

    @property
    def logs(self) -> Path:
        return self.local_dir / "log"


def load_settings(
    environment: Mapping[str, str], *, root: Path = ROOT, env_file: Path = ROOT / ".env"
) -> LocalSettings:
    """Raises LocalFailure, one sentence, on a value that cannot be."""
    known = set(read_env_file(root / ".env.template"))
    in_file = read_env_file(env_file)
    _refuse_unknown(env_file, in_file, known)
    ours = {name for name in known if not name.startswith(COMPOSE_PREFIX)}
    given = {name: value for name, value in {**in_file, **environment}.items() if name in ours and value}
    port = _port(environment.get("PORT") or in_file.get("PORT") or given.get("GATEWAY_PORT", "8503"))
    base_url = given.get("BASE_URL", f"http://127.0.0.1:{port}").rstrip("/")
    _check_url("BASE_URL", base_url)
    for url in upstream_urls(given):
        _check_url("LLAMA_BASE_URL", url)
    return LocalSettings(
        root=root,
        local_dir=(root / (environment.get("LOCAL_DIR") or in_file.get("LOCAL_DIR") or ".local")).absolute(),
        addresses=_addresses(given),
        port=port,
        base_url=base_url,
        given={"LOCAL_FAKES": _default_fakes(base_url), **given},
    )


def upstream_urls(given: Mapping[str, str]) -> list[str]:
    """Several are separated by commas; none where none is given."""
    return [url.strip() for url in given.get("LLAMA_BASE_URL", "").split(",") if url.strip()]


def reachable(address: str) -> str:
    """Where a server that listens there is reached from this machine."""
    return "127.0.0.1" if address == ANY_ADDRESS else address


def _addresses(given: Mapping[str, str]) -> tuple[str, ...]:
    first = given.get("GATEWAY_BIND", "127.0.0.1")
    second = given.get("TAILNET_BIND", first)
    return (first,) if second == first else (first, second)


def _default_fakes(base_url: str) -> str:
    return "1" if urlsplit(base_url).hostname in LOOPBACK_HOSTS else "0"


def _refuse_unknown(env_file: Path, in_file: Mapping[str, str], known: set[str]) -> None:
    unknown = sorted(in_file.keys() - known - {"PORT", "LOCAL_DIR"})
    unknown = [name for name in unknown if not name.startswith(COMPOSE_PREFIX)]
    if unknown:
        raise LocalFailure(f"{unknown[0]} in {env_file} is no setting of ours: .env.template has the names.")


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise LocalFailure(f"PORT is {text!r}: give a number from 1 to 65535.")
    return int(text)


def _check_url(name: str, value: str) -> None:
    if not _is_http_url(value):
        raise LocalFailure(f"{name} is {value!r}: give an address such as http://127.0.0.1:8502.")


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
