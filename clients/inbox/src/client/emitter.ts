/** Listeners of changes; those of one turn of the event loop are reported together. */
export class Emitter {
  private readonly listeners = new Set<() => void>();
  private isScheduled = false;

  /** Call a listener after changes; return what ends that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Report a change. */
  emit(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      for (const listener of this.listeners) queueMicrotask(listener); // one that fails does not stop the others
    });
  }
}
