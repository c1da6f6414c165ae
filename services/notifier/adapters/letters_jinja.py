"""The letters we write, from templates/: each as plain text and as HTML of the same content."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.domain.letter import Letter
from services.notifier.domain.mail import KeyMail, MailKind

SITE_NAME = "Promptly"
TEMPLATES = Path(__file__).parents[1] / "templates"

KEY_SUBJECTS = {
    MailKind.KEY_REGISTERED: "Your API key",
    MailKind.KEY_REPLACED: "Your new API key",
}


class Letters:
    def __init__(self, base_url: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(("html",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.globals |= {"site_name": SITE_NAME, "base_url": base_url.rstrip("/")}

    def key_letter(self, mail: KeyMail, key: str) -> Letter:
        """Holds the key in clear: for the dialogue with the relay, and nothing else."""
        subject = f"{KEY_SUBJECTS[mail.kind]} for {SITE_NAME}"
        facts = {"subject": subject, "key": key, "replaces": mail.kind is MailKind.KEY_REPLACED}
        return Letter(
            subject=subject,
            text=self._templates.get_template("key.txt").render(facts),
            html=self._templates.get_template("key.html").render(facts),
        )
