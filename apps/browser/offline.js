// Keeps what was loaded, so that later visits need no network; a new version replaces the old one.
const VERSION = "@VERSION@";

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name.startsWith("xaihelpers-") && name !== VERSION) await caches.delete(name);
    await self.clients.claim();
    const store = await caches.open(VERSION);
    await store.addAll(@FIRST@);
  };
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const own = event.request.method === "GET" && event.request.url.startsWith(self.registration.scope);
  if (own) event.respondWith(kept(event.request));
});

async function kept(request) {
  const store = await caches.open(VERSION);
  const found = await store.match(request, { ignoreSearch: true });
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await store.put(request, answer.clone());
  return answer;
}
