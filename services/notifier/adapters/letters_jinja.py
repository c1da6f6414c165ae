"""The letters we write, from templates/: each as plain text and as HTML of the same content."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.domain.letter import Letter
from services.notifier.domain.mail import Mail, MailKind

DEFAULT_SITE_NAME = "Promptly"
TEMPLATES = Path(__file__).parents[1] / "templates"

TEMPLATE_AND_SUBJECT = {
    MailKind.KEY_REGISTERED: ("key", "Your API key for {site_name}"),
    MailKind.KEY_REPLACED: ("key", "Your new API key for {site_name}"),
    MailKind.KEY_RECOVERED: ("key", "Your new API key for {site_name}"),
    MailKind.RECOVERY_LINK: ("recovery_link", "Do you want a new API key for {site_name}?"),
    MailKind.PURCHASE_COMPLETED: ("purchase_completed", "Your receipt from {site_name}"),
    MailKind.PURCHASE_REVERSED: ("purchase_reversed", "A purchase at {site_name} was taken back"),
    MailKind.BALANCE_LOW: ("balance_low", "Your {site_name} balance is low"),
    MailKind.BALANCE_EXHAUSTED: ("balance_exhausted", "Your {site_name} balance is used up"),
    MailKind.TRIAL_ENDING: ("trial_ending", "Your {site_name} trial ends soon"),
}

GIVEN_BACK = "A purchase at {site_name} is yours again"
"""The subject of a reversal whose total has become nothing."""


class Letters:
    def __init__(self, base_url: str, site_name: str = DEFAULT_SITE_NAME) -> None:
        self._site_name = site_name
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.globals |= {"site_name": site_name, "base_url": base_url.rstrip("/")}
        self._templates.filters |= {"figure": _figure, "instant": _instant}

    def write(self, mail: Mail, secret: str | None) -> Letter:
        """`secret` (a key or a link) in clear: for the dialogue with the relay, and nothing else."""
        template, subject = TEMPLATE_AND_SUBJECT[mail.kind]
        if mail.kind is MailKind.PURCHASE_REVERSED and not mail.facts["tokens"]:
            subject = GIVEN_BACK
        subject = subject.format(site_name=self._site_name)
        facts = {**mail.facts, "subject": subject, "kind": mail.kind, "secret": secret}
        return Letter(
            subject=subject,
            text=self._templates.get_template(f"{template}.txt").render(facts),
            html=self._templates.get_template(f"{template}.html").render(facts),
        )


def _figure(number: int) -> str:
    return f"{number:,}"


def _instant(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%-d %B %Y, %H:%M} UTC"
