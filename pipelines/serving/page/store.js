// The last results, in this browser: their pictures, depth and settings, newest first.

const MOST = 24;
const NAME = 'results';

/** Where a browser keeps nothing, in a private window say, results last as long as the page. */
export class Store {
  #results = [];
  #open = open().catch(() => null);

  async all() {
    const database = await this.#open;
    if (database && !this.#results.length) {
      const found = await wait(database.transaction(NAME).objectStore(NAME).getAll());
      this.#results = found.sort((a, b) => b.when - a.when);
    }
    return this.#results;
  }

  async add(result) {
    const kept = [result, ...(await this.all()).filter(({ id }) => id !== result.id)];
    this.#results = kept.slice(0, MOST);
    await this.#write((store) => {
      store.put(result);
      for (const { id } of kept.slice(MOST)) store.delete(id);
    });
  }

  async clear() {
    this.#results = [];
    await this.#write((store) => store.clear());
  }

  /** A disk that is full keeps what it has. */
  async #write(change) {
    const database = await this.#open;
    if (!database) return;
    const transaction = database.transaction(NAME, 'readwrite');
    change(transaction.objectStore(NAME));
    await new Promise((resolve) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = (event) => {
        event.preventDefault();
        resolve();
      };
    });
  }
}

async function open() {
  const request = indexedDB.open('ldm3d', 1);
  request.onupgradeneeded = () => request.result.createObjectStore(NAME, { keyPath: 'id' });
  return wait(request);
}

function wait(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
