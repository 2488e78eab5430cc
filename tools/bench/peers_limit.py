"""What the disk and RocksDB alone can do with the same bytes: no bus, no network."""
import json
import os
import shutil

from peers_common import figures_of, program, run

BATCH = 256  # messages of a batch
MESSAGES = 100_000
SYNCS = 1_500


class Limit:
    """One folder, emptied for every measurement."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "limit")
        self.sizes = {}

    def rocks(self, *words, parse=figures_of):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        try:
            return parse([program("bench_rocks"), words[0], self.folder, *words[1:]], f"bench_rocks {words[0]}")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def bytes_of(self, batch, payload):
        """What the log gets for a push, a claim and an acknowledgement of `batch` messages."""
        if (batch, payload) not in self.sizes:
            said = self.rocks("bytes", batch, payload, parse=lambda words, what: json.loads(run(words, what)))
            self.sizes[batch, payload] = [said[name] for name in ("push", "claim", "ack")]
        return self.sizes[batch, payload]

    def sync_of_push(self, payload, scale):
        return self.rocks("sync", max(50, int(SYNCS * scale)), self.bytes_of(1, payload)[0])

    def batches(self, payload, scale):
        """Messages a second through the three batches: with the bus's settings, with RocksDB's own, and the syncs alone."""
        messages = max(4 * BATCH, int(MESSAGES * scale))
        syncs = self.rocks("sync", max(30, int(SYNCS * scale) // 3 * 3), *self.bytes_of(BATCH, payload))
        per_message = dict(syncs, per_second=syncs["per_second"] / 3 * BATCH)
        return {"rocksdb": self.rocks("rows", messages, BATCH, payload), "rocksdb_stock": self.rocks("rows", messages, BATCH, payload, "stock"),
                "fdatasync": per_message}
