// A value that tells who watches it when it changes.
export class Cell<T> {
  #watchers = new Set<(value: T) => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    this.current = value;
    this.#watchers.forEach((watcher) => watcher(value));
  }

  /** Calls back now and at each change; returns the way to stop. */
  watch(watcher: (value: T) => void): () => void {
    this.#watchers.add(watcher);
    watcher(this.current);
    return () => this.#watchers.delete(watcher);
  }
}
