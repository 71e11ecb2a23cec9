// Style sheets that only some views need.

const loaded = new Map();

/** Adds a style sheet to the page, once. Resolves when it is in force. */
export function loadStyle(address) {
  if (!loaded.has(address)) loaded.set(address, add(address));
  return loaded.get(address);
}

function add(address) {
  return new Promise((resolve, reject) => {
    const failed = () => {
      loaded.delete(address);
      reject(new Error(`${address} cannot be read: load the page again.`));
    };
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: address, onload: resolve, onerror: failed }));
  });
}
