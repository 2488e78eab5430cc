"""A client under load that writes down what it asked and what it was told: the ledger. A request without an answer stays
in it as unknown.

One entry a request, written before it is sent; `answer` is filled in when it comes:
    push    serial role key                       id
    mpush   serials                               ids
    claim   lease sent                            claims (also `next` after an ack)
    ack fail release extend                       what it was told
    exec    the ack of one claim and the push of one serial, whole or not at all
"""
import random
import time

from wire import Closed, ErrorReply, Wire, as_map

UNKNOWN = "unknown"  # asked, and the bus was killed before the answer
ROLES = ("alpha", "beta", "gamma")
LEASE_MS = 15_000
HOLD_MS = 3_600_000


class Stop(Exception):
    """The connection is gone: the bus was killed."""


def payload_of(serial, key):
    text = f"{serial}:{key or '-'}:"
    return (text + text[::-1] * (1 + hash_of(serial) % 40)).encode()


def hash_of(serial):
    return sum(map(ord, serial)) * 2654435761 >> 7 & 0xFFFF


def read_payload(raw):
    """Serial and key of a payload, or None where it is not, byte for byte, one that was sent."""
    serial, key = (raw.decode(errors="replace").split(":") + ["", ""])[:2]
    key = None if key == "-" else key
    return (serial, key) if payload_of(serial, key) == raw else None


class Client:
    def __init__(self, name, prefix, seed, held):
        self.name = name
        self.prefix = prefix
        self.random = random.Random(seed)
        self.held = held       # claims that are ours: (id, token, delivery)
        self.stale = []        # claims that were ours
        self.entries = []
        self.count = 0
        self.wire = None
        self.complaints = []

    # ---- the ledger

    def note(self, kind, **fields):
        entry = {"kind": kind, "answer": UNKNOWN, **fields}
        self.entries.append(entry)
        return entry

    def ask(self, commands):
        """Sends all commands at once; each is (entry, words, then). The answers in order, until the bus is gone."""
        try:
            self.wire.send_bytes(b"".join(wire_form(words) for _, words, _ in commands))
            for entry, _, then in commands:
                answer = self.wire.reply()
                if entry is not None:
                    entry["answer"] = answer
                if then is not None:
                    then(answer)
        except (Closed, OSError):
            raise Stop from None

    def serial(self):
        self.count += 1
        return f"{self.prefix}.{self.count}"

    # ---- what it does

    def run(self, target, seconds, crowded):
        """Until the connection breaks or the time is over. `crowded`: work off more than comes in."""
        actions = [(self.push, 1 if crowded else 5), (self.mpush, 0 if crowded else 1), (self.claim, 4), (self.settle, 7), (self.transaction, 1), (self.try_stale, 1)]
        choices, weights = zip(*actions)
        deadline = time.monotonic() + seconds
        try:
            self.wire = Wire(target, timeout=30)
            while time.monotonic() < deadline:
                self.random.choices(choices, weights)[0]()
        except (Stop, Closed, OSError):
            pass
        finally:
            if self.wire is not None:
                self.wire.close()

    def push_words(self, serial, role):
        rng, words, key = self.random, [], None
        if rng.random() < 0.2:
            key = f"{self.name}-{rng.randrange(8)}"
            words += ["UNIQUE", key]
        if rng.random() < 0.2:
            words += ["PRIORITY", rng.randrange(10)]
        if rng.random() < 0.15:
            words += ["DELAY", rng.randrange(200)]
        if rng.random() < 0.1:
            words += ["GROUP", f"{self.name}-{rng.randrange(4)}"]
        if rng.random() < 0.3:
            words += ["MAXATTEMPTS", rng.choice((1, 2))]
        if rng.random() < 0.2:
            words += ["HEADER", "serial", serial]
        return ["PUSH", role, payload_of(serial, key), *words], key

    def push(self):
        commands = []
        for _ in range(self.random.choice((1, 1, 4, 16))):
            serial, role = self.serial(), self.random.choice(ROLES)
            words, key = self.push_words(serial, role)
            commands.append((self.note("push", serial=serial, key=key), words, None))
        self.ask(commands)

    def mpush(self):
        serials = [self.serial() for _ in range(self.random.randint(2, 30))]
        entry = self.note("mpush", serials=serials)
        self.ask([(entry, ["MPUSH", self.random.choice(ROLES), *(payload_of(one, None) for one in serials)], None)])

    def claim(self):
        if len(self.held) > 100:
            return
        entry = self.note("claim", sent=time.monotonic())
        words = ["CLAIM", self.name, *self.random.sample(ROLES, 2), "COUNT", self.random.choice((1, 1, 5, 30)), "LEASE", LEASE_MS]
        if self.random.random() < 0.3:
            words += ["WAIT", self.random.randrange(30)]
        self.ask([(entry, words, lambda answer: self.take(entry, answer))])

    def take(self, entry, answer):
        """Claims of an answer become ours."""
        if isinstance(answer, ErrorReply):
            self.complaints.append(f"a claim was refused: {answer}")
            return
        claims = []
        for one in map(as_map, answer):
            claims.append((one["id"], one["token"], one["delivery"], read_payload(one["payload"])))
            self.held.append((one["id"], one["token"], one["delivery"]))
        entry["claims"] = claims

    def settle(self):
        self.random.shuffle(self.held)
        count = min(len(self.held), self.random.choice((1, 2, 8, 32)))
        commands = []
        for claim in [self.held.pop() for _ in range(count)]:
            commands.append(self.settle_one(claim))
        if commands:
            self.ask(commands)

    def settle_one(self, claim):
        message, token, delivery = claim
        how = self.random.random()
        fields = {"id": message, "token": token, "delivery": delivery}
        if how < 0.15:  # lives on: extended so far that it must outlive every kill of this run
            self.held.insert(0, claim)
            entry = self.note("extend", **fields)
            return entry, ["EXTEND", message, token, "LEASE", HOLD_MS], None
        self.stale.append(claim)
        if how < 0.55:
            return self.note("ack", **fields), ["ACK", message, token, "RESULT", "fine", "TOKENS", "3"], None
        if how < 0.75:
            entry = self.note("ack", next=True, sent=time.monotonic(), **fields)
            words = ["ACK", message, token, "NEXT", "COUNT", self.random.choice((1, 3)), "LEASE", LEASE_MS, *self.random.sample(ROLES, 2)]
            return entry, words, lambda answer: self.took_next(entry, answer)
        if how < 0.9:
            return self.note("fail", **fields), ["FAIL", message, token, "unknown", "it went wrong", "RETRYIN", self.random.randrange(100)], None
        if how < 0.92:
            return self.note("fail", **fields), ["FAIL", message, token, "bad_input", "no use", "DEAD"], None
        return self.note("release", **fields), ["RELEASE", message, token, "DELAY", self.random.randrange(50)], None

    def took_next(self, entry, answer):
        if isinstance(answer, ErrorReply):
            return  # LOST: the judge looks at it
        self.take(entry, answer)

    def transaction(self):
        if not self.held:
            return
        message, token, delivery = claim = self.held.pop()
        self.stale.append(claim)
        serial, role = self.serial(), self.random.choice(ROLES)
        entry = self.note("exec", id=message, token=token, delivery=delivery, serial=serial, key=None)
        self.ask([(None, ["MULTI"], None), (None, ["ACK", message, token], None), (None, ["PUSH", role, payload_of(serial, None)], None),
                  (entry, ["EXEC"], None)])

    def try_stale(self):
        """A token that was answered away works no more."""
        if not self.stale:
            return
        message, token, delivery = self.random.choice(self.stale)
        verb = self.random.choice((["ACK"], ["EXTEND"], ["RELEASE"], ["FAIL"]))
        words = [*verb, message, token] + (["unknown", "stale"] if verb == ["FAIL"] else [])
        self.ask([(self.note("stale", id=message, token=token, delivery=delivery), words, None)])


def wire_form(words):
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


def run_client(pipe, name, prefix, seed, held, target, seconds, crowded):
    """A process of its own; the ledger goes to `pipe` when the bus is gone."""
    client = Client(name, prefix, seed, list(held))
    try:
        client.run(target, seconds, crowded)
    except Exception as error:  # pylint: disable=broad-except
        client.complaints.append(f"{name}: {error!r}")
    pipe.send((client.entries, client.complaints))
    pipe.close()
