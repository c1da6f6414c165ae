// Small comforts; every page works without them.

// A key or a link's token in the address leaves the address bar and the history as soon as the page is there.
const address = new URL(location.href);
for (const secret of ["key", "token"]) {
  if (address.searchParams.has(secret)) {
    address.searchParams.delete(secret);
    history.replaceState(null, "", address);
  }
}

// So does all but the beginning of a key that the operator has pasted into the search.
const searched = /^\s*(sk-\w{8})\w+\s*$/.exec(address.searchParams.get("q") ?? "");
if (searched) {
  address.searchParams.set("q", searched[1]);
  history.replaceState(null, "", address);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// A page that waits for a payment looks again when there is news.
const awaiting = document.querySelector("[data-await-payment]");
if (awaiting) {
  const look = async () => {
    try {
      const reply = await fetch(awaiting.dataset.awaitPayment);
      if (reply.ok && (await reply.json()).state !== "arriving") return location.reload();
    } catch { /* away for a moment: look again */ }
    setTimeout(look, 3000);
  };
  setTimeout(look, 3000);
}
