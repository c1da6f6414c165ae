"""The mailbox over real SMTP, and its page over real HTTP."""

import http.client
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.commands.key import find_key
from deploy.local.mailbox import refusal
from deploy.local.mailbox_page import list_mails, read_mail, text_of
from deploy.local.ports import free_port
from deploy.local.servers import mailbox
from deploy.local.settings import ROOT

KEY = "sk-" + "aB3dE6gH" + "x" * 30 + "012345"


@dataclass(frozen=True, slots=True)
class Mailbox:
    folder: Path
    smtp_port: int
    http_port: int

    def send(self, to: str, subject: str, text: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "keys@promptly.test", to, subject
        mail.set_content(text)
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.send_message(mail)

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
        return reply.status, body


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    folder = tmp_path_factory.mktemp("mailbox")
    made = Mailbox(folder / "mail", free_port(), free_port())
    spec = mailbox.prepare(
        ROOT,
        folder / "log",
        mails=made.folder,
        smtp_port=made.smtp_port,
        http_port=made.http_port,
        base_url="http://127.0.0.1:8503",
    )
    child = processes.start(spec, marker=folder)
    try:
        processes.wait_ready(child)
        yield made
    finally:
        child.stop()


def test_an_accepted_mail_is_a_file_with_its_text(box: Mailbox) -> None:
    box.send("a@example.com", "Your key", f"Here it is: {KEY}\nÜmläuts too.")
    newest = list_mails(box.folder)[0]
    assert text_of(read_mail(newest)).splitlines() == [f"Here it is: {KEY}", "Ümläuts too."]
    assert newest.stat().st_mode & 0o077 == 0


def test_the_key_is_found_in_the_mail_to_its_address_only(box: Mailbox) -> None:
    box.send("Anna@Example.com", "Your key", f"Your key:\n\n    {KEY}\n")
    newest = list_mails(box.folder)[0]
    assert find_key(newest, "anna@example.com") == KEY
    assert find_key(newest, "na@example.com") is None


def test_the_page_lists_and_shows_mails_as_text(box: Mailbox) -> None:
    box.send("b@example.com", "<script>alert(1)</script>", "<img src=x onerror=alert(2)> & more")
    status, listed = box.get("/local/mail")
    assert status == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in listed
    status, shown = box.get(f"/local/mail/{list_mails(box.folder)[0].name}")
    assert status == 200
    assert "&lt;img src=x onerror=alert(2)&gt; &amp; more" in shown
    assert "<script" not in listed + shown
    assert "<img" not in listed + shown


@pytest.mark.parametrize(
    "name", ["1-1.eml", "..%2fsecrets.env", "../secrets.env", "%2e%2e/secrets.env", ".hidden"]
)
def test_a_name_that_is_no_mail_is_404(box: Mailbox, name: str) -> None:
    assert box.get(f"/local/mail/{name}")[0] == 404


def test_a_page_elsewhere_cannot_read_it_under_a_name_of_its_own(box: Mailbox) -> None:
    assert box.get("/local/mail", host="rebound.example.com")[0] == 403


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"BASE_URL": "http://127.0.0.1:8503"}, "LOCAL_FAKES"),
        ({"LOCAL_FAKES": "0", "BASE_URL": "http://127.0.0.1:8503"}, "LOCAL_FAKES"),
        ({"LOCAL_FAKES": "1", "BASE_URL": "https://promptlyapi.com"}, "BASE_URL"),
        ({"LOCAL_FAKES": "1"}, "BASE_URL"),
    ],
)
def test_it_refuses_to_run_where_strangers_could_see_it(environment: dict[str, str], named: str) -> None:
    assert named in (refusal(environment) or "")


def test_it_runs_on_loopback() -> None:
    assert refusal({"LOCAL_FAKES": "1", "BASE_URL": "http://localhost:8503"}) is None
