/** When rows were last written: by this process, and by any on this database. */
export class LastWrite {
  #at: number | null = null;

  /** Epoch milliseconds of our clock; null before the first write. */
  get at(): number | null {
    return this.#at;
  }

  note(nowMs: number): void {
    this.#at = nowMs;
  }

  /** The latest write of any process that shares the database, by its writer's clock; null where there was none. */
  async findLatest(replicas: { findLastWriteAt(): Promise<number | null> }): Promise<number | null> {
    const others = await replicas.findLastWriteAt();
    return this.#at === null || others === null ? (this.#at ?? others) : Math.max(this.#at, others);
  }
}
