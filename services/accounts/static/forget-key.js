// A key given as ?key= leaves the address bar and the history as soon as the page is there.
const address = new URL(location.href);
if (address.searchParams.has("key")) {
  address.searchParams.delete("key");
  history.replaceState(null, "", address);
}
