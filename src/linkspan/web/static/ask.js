// Questions to the page's own server, which asks the daemon.

/** Return the JSON answer; throws an Error with the daemon's message. */
export async function ask(path, query) {
  let response;
  try {
    response = await fetch(`${path}?${new URLSearchParams(query)}`);
  } catch {
    throw new Error("`linkspan web` does not answer: has it ended?");
  }
  if (response.status === 403) throw new Error(await response.text());
  const found = await response.json();
  if (!response.ok) throw new Error(found.message);
  return found;
}
