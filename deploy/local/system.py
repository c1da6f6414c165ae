"""Which processes make up one system, in the order they start; they stop in the opposite order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.local.environments import BackingUrls, environment_of
from deploy.local.ports import LOOPBACK, choose_ports
from deploy.local.processes import ProcessSpec
from deploy.local.servers import mailbox, model, nginx, payments, postgres, rabbitmq, redis, services
from deploy.local.settings import LocalSettings

SERVER_PORTS = ("postgres", "redis", "amqp", "rabbitmq-distribution", "rabbitmq-epmd")
PRIVATE_PORTS = (*services.SERVICES, "llama-server", "smtp", "mail-page", payments.NAME)


@dataclass(frozen=True, slots=True)
class System:
    """A system with its ports and secrets chosen; nothing runs yet."""

    settings: LocalSettings
    secrets: Mapping[str, str]
    ports: Mapping[str, int]

    @classmethod
    def choose(cls, settings: LocalSettings, secrets: Mapping[str, str]) -> "System":
        record = settings.local_dir / "ports.json"
        return cls(settings, secrets, choose_ports(record, (*SERVER_PORTS, *PRIVATE_PORTS)))

    @property
    def own_backing(self) -> BackingUrls:
        return BackingUrls(
            postgres=postgres.url(self.ports["postgres"], self.secrets["POSTGRES_PASSWORD"]),
            redis=redis.url(self.ports["redis"], self.secrets["REDIS_PASSWORD"]),
            amqp=rabbitmq.url(self.ports["amqp"], self.secrets["RABBITMQ_PASSWORD"]),
        )

    def backing_servers(self) -> Iterator[ProcessSpec]:
        """The slowest first, and each prepared only when its turn comes: RabbitMQ boots while PostgreSQL
        makes its data folder."""
        folder, ports, secrets = self.settings.local_dir, self.ports, self.secrets
        rabbit_ports = rabbitmq.RabbitPorts(
            ports["amqp"], ports["rabbitmq-distribution"], ports["rabbitmq-epmd"]
        )
        yield from rabbitmq.prepare(
            folder / "rabbitmq", ports=rabbit_ports, password=secrets["RABBITMQ_PASSWORD"]
        )
        yield redis.prepare(folder / "redis", port=ports["redis"], password=secrets["REDIS_PASSWORD"])
        yield postgres.prepare(
            folder / "postgres", port=ports["postgres"], password=secrets["POSTGRES_PASSWORD"]
        )

    def neighbours(self) -> Iterator[ProcessSpec]:
        """What stands in locally for the model's machine, the mail server and the payment providers."""
        if self.settings.runs_own_model:
            yield self._model()
        if self.settings.runs_mailbox:
            yield self._mailbox()
        if self.settings.faked_providers:
            yield payments.prepare(self.settings, self.secrets, port=self.ports[payments.NAME])

    def services(self, backing: BackingUrls) -> list[ProcessSpec]:
        settings = self._service_settings()
        return [
            services.prepare(
                self.settings.root,
                self.settings.logs,
                name,
                port=self.ports[name],
                environment=environment_of(name, settings, backing),
            )
            for name in services.SERVICES
        ]

    def edge(self) -> ProcessSpec:
        at = {
            f"{name.upper()}_SERVER": f"{LOOPBACK}:{self.ports[name]}"
            for name in ("gateway", "accounts", "billing")
        }
        trusted = nginx.trusted_proxies(self.settings.given.get("EDGE_TRUSTED_PROXIES", ""))
        return nginx.prepare(
            self.settings.local_dir / "nginx",
            self.settings.logs,
            addresses=self.settings.addresses,
            port=self.settings.port,
            values={**at, "EDGE_TRUSTED_PROXIES": trusted},
            mail_port=self.ports["mail-page"] if self.settings.runs_mailbox else None,
            pay_port=self.ports[payments.NAME] if self.settings.faked_providers else None,
        )

    def _service_settings(self) -> dict[str, str]:
        """Everything there is to know; each service is given its part of it (environments.py)."""
        addresses = {
            f"{name.upper()}_URL": f"http://{LOOPBACK}:{self.ports[name]}"
            for name in ("accounts", "metering", "billing", "notifier", "gateway")
        }
        found = {"BASE_URL": self.settings.base_url, "MAIL_DIR": str(self.settings.mails)}
        if self.settings.runs_own_model:
            found["LLAMA_BASE_URL"] = f"http://{LOOPBACK}:{self.ports['llama-server']}"
        if self.settings.runs_mailbox:
            sender = self.settings.given.get("SMTP_FROM", "Promptly <keys@promptly.invalid>")
            found |= {"SMTP_HOST": LOOPBACK, "SMTP_PORT": str(self.ports["smtp"]), "SMTP_FROM": sender}
        found |= payments.settings_for_billing(self.settings, self.secrets, port=self.ports[payments.NAME])
        return {**self.settings.given, **addresses, **found, **self.secrets}

    def _model(self) -> ProcessSpec:
        return model.prepare(
            self.settings.root,
            self.settings.logs,
            port=self.ports["llama-server"],
            api_key=self.secrets["LLAMA_API_KEY"],
        )

    def _mailbox(self) -> ProcessSpec:
        return mailbox.prepare(
            self.settings.root,
            self.settings.logs,
            mails=self.settings.mails,
            smtp_port=self.ports["smtp"],
            http_port=self.ports["mail-page"],
            base_url=self.settings.base_url,
        )
